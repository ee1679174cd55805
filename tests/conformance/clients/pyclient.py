"""PyPI fastmcp as a client. Argument: one JSON object {url, token, allowed, refused}. Prints one JSON line."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main(order):
    transport = StreamableHttpTransport(order["url"], headers={"authorization": f"Bearer {order['token']}"})
    async with Client(transport) as client:
        tools = await client.list_tools()
        allowed, refused = order["allowed"], order["refused"]
        answer = await client.call_tool(allowed["name"], allowed["arguments"], raise_on_error=False)
        try:
            result = await client.call_tool(refused["name"], refused["arguments"], raise_on_error=False)
            refusal = {"isError": result.is_error, "content": [str(part) for part in result.content]}
        except Exception as error:  # the library wraps protocol errors in several types
            inner = getattr(error, "error", None)
            refusal = {
                "code": getattr(inner, "code", None),
                "message": getattr(inner, "message", str(error)),
                "data": getattr(inner, "data", None),
            }
        print(json.dumps({
            "client": "fastmcp",
            "tools": [tool.name for tool in tools],
            "answer": {"isError": answer.is_error, "content": [part.model_dump(mode="json") for part in answer.content]},
            "refusal": refusal,
        }))


asyncio.run(main(json.loads(sys.argv[1])))

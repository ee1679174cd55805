"""PyPI fastmcp as a client."""

# [connect]
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


def connect(url, token):
    return Client(StreamableHttpTransport(url, headers={"authorization": f"Bearer {token}"}))


# [/connect]
import asyncio
from contextlib import asynccontextmanager

from order import carry_out


class Connected:
    def __init__(self, client):
        self.client = client

    async def list(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, call):
        result = await self.client.call_tool(call["name"], call["arguments"])
        return {"content": [part.model_dump(mode="json") for part in result.content]}


@asynccontextmanager
async def connected(url, token):
    async with connect(url, token) as client:
        yield Connected(client)


asyncio.run(carry_out(connected))

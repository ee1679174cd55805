"""The OpenAI Agents SDK for Python."""

# [connect]
from agents.mcp import MCPServerStreamableHttp


def connect(url, token):
    return MCPServerStreamableHttp(
        name="gateway",
        params={"url": url, "headers": {"authorization": f"Bearer {token}"}},
        client_session_timeout_seconds=60,
    )


# [/connect]
import asyncio
from contextlib import asynccontextmanager

from order import carry_out


class Connected:
    def __init__(self, server):
        self.server = server

    async def list(self):
        return [tool.name for tool in await self.server.list_tools()]

    async def call(self, call):
        result = await self.server.call_tool(call["name"], call["arguments"])
        return {"content": [part.model_dump(mode="json") for part in result.content]}


@asynccontextmanager
async def connected(url, token):
    async with connect(url, token) as server:
        yield Connected(server)


asyncio.run(carry_out(connected))

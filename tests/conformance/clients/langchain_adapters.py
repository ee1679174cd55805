"""The MCP adapters of LangChain for Python."""

# [connect]
from contextlib import asynccontextmanager

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools


@asynccontextmanager
async def connect(url, token):
    headers = {"authorization": f"Bearer {token}"}
    client = MultiServerMCPClient({"gateway": {"transport": "http", "url": url, "headers": headers}})
    async with client.session("gateway") as session:
        yield session, await load_mcp_tools(session)


# [/connect]
import asyncio

from order import carry_out


class Connected:
    def __init__(self, session, tools):
        self.session = session
        self.tools = {tool.name: tool for tool in tools}

    async def list(self):
        return list(self.tools)

    async def call(self, call):
        # LangChain has tools only that were listed; what is not listed is called below it, in the same session.
        if call["name"] in self.tools:
            return {"content": await self.tools[call["name"]].ainvoke(call["arguments"])}
        result = await self.session.call_tool(call["name"], call["arguments"])
        return result.model_dump(mode="json")


@asynccontextmanager
async def connected(url, token):
    async with connect(url, token) as (session, tools):
        yield Connected(session, tools)


asyncio.run(carry_out(connected))

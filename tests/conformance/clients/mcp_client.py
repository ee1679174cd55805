"""PyPI mcp 2.x, the official Python client."""

# [connect]
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


@asynccontextmanager
async def connect(url, token):
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            yield client


# [/connect]
import asyncio

from order import carry_out


class Connected:
    def __init__(self, client):
        self.client = client

    async def list(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, call):
        result = await self.client.call_tool(call["name"], call["arguments"])
        return result.model_dump(mode="json", by_alias=True)


@asynccontextmanager
async def connected(url, token):
    async with connect(url, token) as client:
        yield Connected(client)


asyncio.run(carry_out(connected))

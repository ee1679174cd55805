"""What each Python client is told to do, in one JSON argument (`ClientOrder` in client_programs.ts), and the JSON line that
tells what came of it."""

import asyncio
import json
import sys
import urllib.request

ORDER = json.loads(sys.argv[1])


async def carry_out(connect):
    """`connect(url, token)` is an asynchronous context manager that gives `list`, `call` and perhaps `protocol`."""
    async with connect(ORDER["url"], ORDER["token"]) as client:
        report = {
            "tools": await client.list(),
            "answer": await client.call(ORDER["allowed"]),
            "refusal": await told(client.call(ORDER["refused"])),
            "absence": await told(client.call(ORDER["hidden"])),
        }
        if hasattr(client, "protocol"):
            report["protocol"] = client.protocol()
    async with connect(ORDER["waiting"]["url"], ORDER["token"]) as client:
        report["refusedResult"] = await told(client.call(ORDER["waiting"]["refused"]))
        report["cancelled"] = await cancel(client)
    print(json.dumps(report))


async def cancel(client):
    waiting = ORDER["waiting"]
    call = asyncio.create_task(client.call(waiting))
    await asyncio.wait([call, asyncio.create_task(get(waiting["begunUrl"]))], return_when=asyncio.FIRST_COMPLETED)
    call.cancel()
    try:
        ended = {"result": await call}
    except asyncio.CancelledError:
        ended = {"error": {"message": "cancelled"}}
    await get(waiting["cancelledUrl"])
    return ended


async def get(url):
    await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())


async def told(call):
    try:
        return {"result": await call}
    except Exception as error:  # libraries wrap protocol errors in several types
        inner = getattr(error, "error", error)
        return {
            "error": {
                "code": getattr(inner, "code", None),
                "message": str(error),
                "data": getattr(inner, "data", None),
            }
        }

"""Each handle runs in a task of its own, which is waited for; a generator knows the pauses."""

import asyncio
import contextlib
import json
import random

import websockets
from websockets.asyncio.client import ClientConnection, connect


def backoff(base, cap):
    bound = base
    while True:
        yield random.uniform(0, min(bound, cap))
        if bound < cap:
            bound *= 2


def hopeless(error):
    if isinstance(error, websockets.InvalidStatus):
        status = error.response.status_code
        return status != 429 and 400 <= status < 500
    if isinstance(error, websockets.ConnectionClosed):
        return error.rcvd is not None and error.rcvd.code == websockets.CloseCode.POLICY_VIOLATION
    return False


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    pauses = backoff(base, cap)

    async def apply(message):
        nonlocal after
        if message["id"] <= after:
            return None
        task = asyncio.ensure_future(handle(message))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        if task.cancelled() or task.exception():
            return task
        after = message["id"]
        return None

    while True:
        failed = None
        async with contextlib.AsyncExitStack() as stack:
            try:
                ws: ClientConnection = await stack.enter_async_context(
                    connect(
                        url,
                        open_timeout=patience,
                        close_timeout=min(heartbeat, 10),
                        ping_interval=heartbeat,
                        ping_timeout=heartbeat / 2,
                    )
                )
                await ws.send(
                    json.dumps({"type": "join", "room": room, "name": name, "after": after})
                )
                async with asyncio.timeout(patience):
                    event = json.loads(await ws.recv())
                pauses = backoff(base, cap)
                todo = event["messages"]
                while failed is None:
                    for message in todo:
                        failed = await apply(message)
                        if failed:
                            break
                    else:
                        event = json.loads(await ws.recv())
                        todo = [event] if event["type"] == "message" else []
            except (websockets.WebSocketException, OSError, EOFError) as error:
                if hopeless(error):
                    raise
        if failed is not None:
            await failed
        await asyncio.sleep(next(pauses))

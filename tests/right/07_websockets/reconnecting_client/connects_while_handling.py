"""One task connects, and connects again; another handles what the first has heard, all the while.

What is heard goes into a queue, unless it is there already.
"""

import asyncio
import json
import random

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    handled = queued = after
    inbox = asyncio.Queue()

    def enqueue(message):
        nonlocal queued
        if message["id"] > queued:
            queued = message["id"]
            inbox.put_nowait(message)

    async def listen(welcomed):
        async with connect(
            url,
            open_timeout=patience,
            ping_interval=heartbeat,
            ping_timeout=heartbeat,
            close_timeout=heartbeat / 2 if heartbeat < 10 else 5,
        ) as ws:
            await ws.send(
                json.dumps({"type": "join", "room": room, "name": name, "after": handled})
            )
            async with asyncio.timeout(patience):
                event = json.loads(await ws.recv())
            welcomed()
            for message in event["messages"]:
                enqueue(message)
            while True:
                event = json.loads(await ws.recv())
                if event["type"] == "message":
                    enqueue(event)

    async def keep_listening():
        n = 0

        def welcomed():
            nonlocal n
            n = 0

        while True:
            try:
                await listen(welcomed)
            except InvalidStatus as e:
                if e.response.status_code in range(400, 500) and e.response.status_code != 429:
                    raise
            except ConnectionClosed as e:
                if e.rcvd is not None and e.rcvd.code == 1008:
                    raise
            except (OSError, TimeoutError, InvalidHandshake, EOFError):
                pass
            await asyncio.sleep(random.random() * min(cap, base * 2 ** min(n, 60)))
            n += 1

    async def keep_handling():
        nonlocal handled
        while True:
            message = await inbox.get()
            await handle(message)
            handled = message["id"]

    tasks = [asyncio.create_task(keep_listening()), asyncio.create_task(keep_handling())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for t in reversed(tasks):
            if t in done:
                t.result()
    finally:
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

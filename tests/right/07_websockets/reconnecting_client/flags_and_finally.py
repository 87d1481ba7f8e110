"""One function: a flag tells the errors of handle from those of the connection, `finally` closes.

connect() is awaited, not entered, and the welcome is read with wait_for.
"""

import asyncio
import json
import random

import websockets
from websockets.asyncio.client import connect


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    bound = base
    while True:
        connection, handling = None, False
        try:
            connection = await connect(
                url, open_timeout=patience, ping_interval=heartbeat, ping_timeout=heartbeat
            )
            await connection.send(
                json.dumps({"type": "join", "room": room, "name": name, "after": after})
            )
            event = json.loads(await asyncio.wait_for(connection.recv(), patience))
            bound = base
            while True:
                for message in event.get("messages", [event]):
                    if message["type"] == "message" and message["id"] > after:
                        handling = True
                        await handle(message)
                        handling = False
                        after = message["id"]
                event = json.loads(await connection.recv())
        except (OSError, EOFError, websockets.WebSocketException) as error:
            if handling:
                raise
            status = getattr(getattr(error, "response", None), "status_code", 500)
            if 400 <= status < 500 and status != 429:
                raise
            received = getattr(error, "rcvd", None)
            if received is not None and received.code == 1008:
                raise
        finally:
            if connection is not None:
                await connection.close()
        await asyncio.sleep(random.random() * min(bound, cap))
        bound = min(2 * bound, cap)

"""The library can do this: `async for connection in connect(...)` comes back for ever.

It waits, with jitter, between attempts that fail. After a connection that was lost it does not wait
at all: and that is what all clients of a restarted server have in common.

mistake: reconnect-storm
also: error-swallowed
fails: test_a_herd_spreads_out, test_a_handshake_that_fails_is_repeated,
       test_waits_are_random_and_bounded, test_a_welcome_starts_the_waits_anew,
       test_a_handshake_alone_is_no_success, test_waits_grow_until_the_cap,
       test_what_handle_raises_is_raised
"""

import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    async for connection in connect(
        url, open_timeout=patience, ping_interval=heartbeat, ping_timeout=heartbeat
    ):
        try:
            join = {"type": "join", "room": room, "name": name, "after": after}
            await connection.send(json.dumps(join))
            try:
                async with asyncio.timeout(patience):
                    event = json.loads(await connection.recv())
            except TimeoutError:
                continue
            while True:
                for message in event.get("messages", [event]):
                    if message["type"] == "message" and message["id"] > after:
                        await handle(message)
                        after = message["id"]
                event = json.loads(await connection.recv())
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == 1008:
                raise

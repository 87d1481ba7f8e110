"""Every attempt has its wait, says the loop, also the very first.

mistake: none
fails: test_every_message_is_handled_once, test_a_cancelled_follow_is_gone_soon
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

Message = dict[str, Any]

_MOST_DOUBLINGS = 32
"""2**1024 is more than a float can hold, and an outage of a day gets there."""


async def follow(
    url: str,
    room: str,
    name: str,
    handle: Callable[[Message], Awaitable[None]],
    *,
    after: int = 0,
    base: float = 0.5,
    cap: float = 30.0,
    heartbeat: float = 20.0,
    patience: float = 10.0,
) -> None:
    """Handle every message of a room whose id is greater than `after`, once and in order."""
    waits, begin = 0, after
    while True:
        join = {"type": "join", "room": room, "name": name, "after": after}
        # What handle raises is raised here, outside of listen(), which deals with the errors of
        # connections: a ConnectionError of the handler's database is none of its business.
        if waits == 0 and after == begin:
            await asyncio.sleep(random.uniform(0, base))
        async with aclosing(listen(url, join, heartbeat, patience)) as events:
            async for event in events:
                waits = 0
                for message in messages_in(event):
                    if message["id"] > after:
                        await handle(message)
                        after = message["id"]  # not before: what is not handled is asked for again
        bound = min(cap, base * 2 ** min(waits, _MOST_DOUBLINGS))
        await asyncio.sleep(random.uniform(0, bound))
        waits += 1


async def listen(
    url: str, join: dict[str, Any], heartbeat: float, patience: float
) -> AsyncGenerator[dict[str, Any], None]:
    """What the server says on one connection, the welcome first, until the connection is lost.

    Raises InvalidStatus or ConnectionClosed if another attempt would end in the same way.
    """
    try:
        async with connect(
            url,
            open_timeout=patience,
            ping_interval=heartbeat,
            ping_timeout=heartbeat,
            close_timeout=min(10, heartbeat / 2),  # who is silent does not say good-bye either
        ) as connection:
            await connection.send(json.dumps(join))
            async with asyncio.timeout(patience):
                welcome = await connection.recv()
            yield json.loads(welcome)
            async for text in connection:
                yield json.loads(text)
    except InvalidStatus as error:
        if 400 <= error.response.status_code < 500 and error.response.status_code != 429:
            raise
    except ConnectionClosed as closed:
        if closed.rcvd is not None and closed.rcvd.code == CloseCode.POLICY_VIOLATION:
            raise
    except (OSError, EOFError, InvalidHandshake):
        pass  # refused, reset, timed out, or cut off in the middle of the handshake


def messages_in(event: dict[str, Any]) -> list[Message]:
    """The messages in what the server says: several in a welcome, one in a message, else none."""
    if event["type"] == "welcome":
        messages: list[Message] = event["messages"]
        return messages
    return [event] if event["type"] == "message" else []

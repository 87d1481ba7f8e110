"""A client that follows a chat room through every kind of outage.

A bot reads along in a room of the chat (chat_server.py has the protocol) and does something with
every message: it keeps an archive, opens tickets, translates. It runs for months, and in months
every connection breaks: servers are restarted, routers forget, trains drive into tunnels. No
message may be left out, none may be handled twice, and when the server comes back, its thousand
clients must not all be at the door in the same moment.

Write `follow` with the websockets library (`websockets.asyncio.client`).

Rules
  1. `follow` connects to `url`, sends {"type": "join", "room": room, "name": name, "after":
     after}, and awaits `handle(message)` for each message of the room whose id is greater than
     `after`: the dict as it came, {"type": "message", "id": ..., ...}, one at a time, in the
     order of ids, each once. Messages come in the server's welcome and after it; what else comes
     ("joined", "left") is not for `handle`.
  2. However a connection is lost, `follow` connects again, and joins with the id of the last
     message for which `handle` has returned as "after". An attempt that fails is repeated as
     well, for ever: the server refuses, breaks off during the handshake, answers with status 429
     or with 500 and above, or closes with whatever code (1000 and 1001 are no exceptions).
  3. A server may repeat, in a welcome, messages that were handled already.
  4. Before each attempt but the very first it waits for a random time, evenly distributed between
     0 and min(cap, base * 2**n) seconds (full jitter). n counts the waits since the last welcome:
     it is 0 for the first wait, 1 for the second, and 0 again after a welcome.
  5. An attempt may take `patience` seconds for connecting and the handshake, and as many again
     until the welcome. A connection is checked with a WebSocket ping every `heartbeat` seconds,
     and is lost if no answer comes: three heartbeats after the server has gone silent at the
     latest, `follow` is at its next attempt. A connection that answers is good, however long
     `handle` takes and however long nobody talks.
  6. What another attempt cannot mend is raised, as the library raises it: InvalidStatus for a
     handshake answered with a status of 400 to 499 other than 429, ConnectionClosed for a
     connection that the server closes with code 1008 (policy violation).
  7. What `handle` raises ends `follow` and is raised, whatever it is.
  8. However `follow` ends, its connection is closed, with a good-bye if it was open, and nothing
     of it is left running. If it is cancelled, it ends within 15 seconds, also if the server is
     silent, and the cancellation goes on to the caller.

Draw from `random`. Out of scope: saying something, a server that has lost its history, wss.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


async def follow(
    url: str,
    room: str,
    name: str,
    handle: Callable[[dict[str, Any]], Awaitable[None]],
    *,
    after: int = 0,
    base: float = 0.5,
    cap: float = 30.0,
    heartbeat: float = 20.0,
    patience: float = 10.0,
) -> None:
    """Handle every message of a room whose id is greater than `after`, once and in order.

    Seconds: `base` and `cap` bound the waits, `heartbeat` and `patience` are explained above.
    """
    raise NotImplementedError

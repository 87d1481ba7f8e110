"""A chat server: rooms, names, history, heartbeat.

A browser, or any other client, opens a WebSocket, joins a room, and from then on hears what is
said there. Some clients are slow, some never read what they are sent, and some vanish without a
word. The others must not notice.

Write `serve_chat` with the websockets library (`websockets.asyncio.server`). Everything that is
sent is a text message that holds one JSON object.

A client says
    {"type": "join", "room": "lamps", "name": "ada", "after": 17}  first, once; "after" is optional
    {"type": "say", "key": "k1", "text": "hello"}
    {"type": "ping", "at": 12.5}                                   "at" is any value

The server says
    {"type": "welcome", "names": ["ada", "bob"], "messages": [...]}
    {"type": "message", "id": 18, "name": "ada", "key": "k1", "text": "hello"}
    {"type": "joined", "name": "bob"}
    {"type": "left", "name": "bob"}
    {"type": "pong", "at": 12.5}

Rules
  1. The first thing that a client gets when it has joined is a `welcome`. Its `names` are the
     names of all that are in the room, its own included, sorted, each once. Its `messages` are
     the last `history` messages of the room, oldest first; with `after`, those of them whose id
     is greater.
  2. What a client says goes to everybody in its room, itself included, as a `message`. The
     messages of a room are numbered 1, 2, 3 and so on, also while the room is empty; everybody
     gets them in this order. From the first message of its welcome on, a client gets every
     message once: neither is one left out nor does one come twice.
  3. Clients send a message again if they do not know whether it arrived. A `say` with the same
     name and key as a message in the room's history is not said again. When that message is no
     longer in the history, its key is forgotten.
  4. One name may be in a room by several connections at once: two tabs, or one that is dead and
     not yet noticed. When a name comes that was not there, the others in the room get a `joined`;
     when its last connection has ended, however it ended, they get a `left`.
  5. A `ping` is answered with a `pong` with the same `at`, to this client alone.
  6. Nobody waits for a client that does not read. At most `backlog` messages wait for it in the
     server, beside what the connection itself holds (some 100 KB on its way). If there would be
     more, the client is disconnected, and the others get their `left` at once. A client that is
     behind by fewer is not disconnected and misses nothing.
  7. The server sends each client a WebSocket ping every `heartbeat` seconds. A client that does
     not answer is disconnected: its `left` comes at most three heartbeats after its last sign of
     life. A client that answers may be silent for ever.
  8. A client that sends anything else is disconnected with close code 1008 (policy violation):
     what is no JSON object, an unknown type, a field that is missing or of another type, a second
     join, a say or ping before the join, a binary message. Nobody else notices, but for the
     `left`.
  9. `serve_chat` is an async context manager whose value is websockets' `Server`. When its block
     ends, all clients are disconnected with close code 1001 (going away), and nothing of it is
     left running.

Out of scope: a history that outlives the server, several servers, passwords, limits on how much a
client may say; an "after" that is `true`, or a number and no whole one; a client that vanishes
while its connection is full to the brim (the library's pings wait behind what is not read; such a
one may stay until TCP gives up).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import Server


@asynccontextmanager
async def serve_chat(
    host: str, port: int, *, history: int = 50, backlog: int = 100, heartbeat: float = 20.0
) -> AsyncIterator[Server]:
    """Serve the chat until the block is left. Port 0 is any free one; `heartbeat` is in seconds."""
    raise NotImplementedError
    yield

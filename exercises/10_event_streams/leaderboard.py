"""A live leaderboard: a thousand scores a second in, and the best ten on every screen.

A game has many players and as many who watch. All of them hold a WebSocket to one of several
gateways. Behind the gateways is a Redis, and behind that some workers:

    player --> gateway --XADD--> stream --XREADGROUP--> worker --> sorted set, version
    viewer <-- gateway <----- read again, or add it up <----- PUBLISH --+

Write both: `serve_board` is a gateway, `work` a worker. Several of each run at once, each knows of
the others only by way of Redis, and any of them may be killed. All workers of a board run the same
code, but your gateways may have somebody else's workers, and your workers somebody else's gateways.

Over the WebSocket everything is a text message that holds one JSON object. A client says
    {"type": "score", "player": "ada", "seq": 7, "score": 4200}    as often as it likes
    {"type": "watch"}                                              once
and the gateway says
    {"type": "taken", "player": "ada", "seq": 7}
    {"type": "busy", "player": "ada", "seq": 8}
    {"type": "board", "version": 18, "top": [["ada", 4200], ["bob", 40]]}

In Redis, for the board "chess", there are these keys; others that begin with "chess:" are yours.
    chess:scores    the stream. Gateways add an entry for each score: player, seq, score
    chess:ranking   a sorted set: each player, by score. Workers write it, gateways read it
    chess:version   how often the ranking has changed; not there means 0
    chess:changes   a Pub/Sub channel. Workers say {"version": 18, "scores": {"ada": 4200}} in JSON

A `score` is all that a player has, an integer up to a billion. It may fall. `seq` counts a
player's scores: the greater, the newer. Some come twice, late, or by another gateway: clients send
again what they are not sure of.

The worker
  1. Of each player's scores the newest counts, whichever workers get them, in whatever order, how
     often: after a newer one, an older one is never in the ranking again.
  2. The ranking, the version and the message change in one step, of which nobody sees a half. In
     each step the version grows by 1; the message has the new version, and the new score of every
     player whose score has changed. Several scores may be applied in one step.
  3. It reads as a consumer of the group "board", which it creates if it is not there; entries from
     before that count, too. What has been applied, or is older than what has been, is
     acknowledged and deleted from the stream; nothing else is. What has been pending for `idle`
     seconds belongs to a dead worker, and is applied within another `idle` seconds.
  4. When `stop` is set, `work` returns within ten seconds.

The gateway
  5. Each score is answered once: `taken` when it is in the stream; `busy` if there was no place for
     it (rule 6), or Redis could not be asked, or did not confirm it: it may not be there. In
     whatever order.
  6. A gateway reads on, whether Redis answers or not. At most `backlog` scores wait in it to be
     sent to Redis, and as many more may be on their way. One more is `busy`, at once. Those that
     wait go together: sixty that come at once are taken within twelve round trips to Redis.
  7. Who says `watch` gets a `board` within a second, and then the newest one within a second of
     each change of its `top`: at most `fps` a second, whatever happens. `top` has the `top` best,
     the highest score first, equal ones in any order.
  8. Each board is as the ranking was at its version, and no client gets a version that is less than
     one before.
  9. Who does not read holds up nobody. For a client that does not read its boards, at most two of
     them wait in the gateway, beside what the connection itself holds (some 100 KB on its way).
     If it reads on within 20 seconds, it is still connected, and the newest is among what it gets.
     (A client for which more than a thousand answers wait may be disconnected.)
 10. However many clients a gateway has, it has at most ten connections to Redis.
 11. `serve_board` is an async context manager whose value is websockets' `Server`. When its block
     ends, all clients are disconnected with close code 1001, and nothing of it is left running.

Both: if a connection to Redis breaks, or Redis is down, at the beginning or later, they carry on
within ten seconds of its being back. Clients stay connected meanwhile; what their boards have
missed by then is made good.

Out of scope: messages that are none of these; a Redis that loses its data; connections that die
without a word (redis_relay.py); cheating.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import Server


@asynccontextmanager
async def serve_board(
    host: str,
    port: int,
    url: str,
    *,
    board: str,
    top: int = 10,
    fps: float = 10.0,
    backlog: int = 1000,
) -> AsyncIterator[Server]:
    """Serve a board until the block is left. Port 0 is any free one.

    `url`: the Redis, "redis://..."; `fps`: boards a second for each client, at most; 2 or more.
    """
    raise NotImplementedError
    yield


async def work(
    url: str, stop: asyncio.Event, *, board: str, consumer: str, idle: float = 10.0
) -> None:
    """Apply the scores of a board until `stop` is set. `idle`: seconds, 1 or more."""
    raise NotImplementedError

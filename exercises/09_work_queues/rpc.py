"""Ask over RabbitMQ, and get the answer that belongs to the question.

A queue carries messages one way. For an answer the one who asks waits at a queue of its own, says
so in the request (`reply_to`), and marks the request (`correlation_id`), so that it knows which
answer is to which question: many are under way at once, and the answers come in any order.

Write `RpcClient`. `RemoteError` is given; leave it as it is.

    async with RpcClient(url) as client:
        answer = await client.call("prices", b"lamp", within=5)

The servers are there already, several to a queue. A server takes a request, does what it says,
sends the reply through the default exchange to `reply_to`, with the request's `correlation_id`, and
then acknowledges the request. If it fails, the reply has the type "error", and its body says why. A
server may die, before it has replied or after: then the broker gives the request to another one.
So a reply may be late, or come twice, or never.

Rules
  1. `call` publishes a request to `queue` (through the default exchange) and returns the body of
     the reply to it. If that is of type "error", it raises RemoteError with its body as text.
  2. Any number of calls may be under way at once, also with the same body to the same queue. Each
     gets the reply to its own request, in whichever order they come. No call waits for another.
  3. If no reply has come within so many seconds, `call` raises TimeoutError.
  4. A request that no server has taken until then is not given to one any more.
  5. A reply that is late, comes twice, or belongs to no request of ours is dropped, and harms
     nobody.
  6. All calls have one connection and one reply queue, there when the block begins. Both are gone
     when it has ended, however it has, and if the client has crashed. Several clients may be at
     one broker, and have nothing to do with each other.
  7. `pending` says how many calls wait for a reply. A call that has ended is not remembered,
     however it has ended: by its reply, an error, its timeout, or because it was cancelled.
  8. If the connection breaks, calls under way may raise ConnectionError, or go on until their time
     is up. Calls that are made 30 seconds after the broker is up again, or later, go well; until
     then they may raise ConnectionError or TimeoutError.

Out of scope: calls under way when the block ends; a queue that does not exist; a broker that is
down when the block begins, and a beginning that is cancelled; how long a request lives that had to
wait for a connection.
"""

from __future__ import annotations

from types import TracebackType


class RemoteError(Exception):
    """The server has failed, and this is what it said."""


class RpcClient:
    """Calls servers over a broker; see the rules at the top."""

    def __init__(self, url: str) -> None:
        """`url`: of the broker, such as "amqp://guest:guest@127.0.0.1:5672/"."""
        raise NotImplementedError

    async def __aenter__(self) -> RpcClient:
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    @property
    def pending(self) -> int:
        """How many calls wait for a reply."""
        raise NotImplementedError

    async def call(self, queue: str, body: bytes, *, within: float) -> bytes:
        """The reply to a request; `within` so many seconds.

        Raises RemoteError, TimeoutError, ConnectionError.
        """
        raise NotImplementedError

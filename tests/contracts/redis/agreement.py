"""One contract, two servers: every test here runs on the simulated Redis, in virtual time, and with
--live on a real Redis or Valkey, in RESP2 and in RESP3. Where they differ, the simulated one is
wrong."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from autograder.simulation import World, WorldFailed, explore
from autograder.simulation.servers.redis import RedisServer

SEEDS = 2
"""Simulated worlds a test runs in."""
PATIENCE = 10.0
"""Seconds after which something that is waited for counts as not happening."""

Client = Any  # redis.asyncio.Redis: its methods' types do not tell what they answer
Body = Callable[["Desk"], Coroutine[Any, Any, None]]


class Desk:
    """A server with nothing on it, and the clients that a test makes.

    ``r`` is one of them.
    """

    def __init__(self, url: str, protocol: int) -> None:
        self.url = url
        self.protocol = protocol
        self._open: list[Any] = []
        self.r = self.client()

    def client(self, **options: Any) -> Client:
        """A new client, that decodes what it gets."""
        options = {"decode_responses": True, "protocol": self.protocol, **options}
        client = redis.asyncio.from_url(self.url, **options)
        self._open.append(client)
        return client

    async def listen(self, *channels: str, client: Client = None) -> Any:
        """A subscription to channels, or to patterns with a star in them, that has begun."""
        pubsub = (client or self.r).pubsub()
        self._open.append(pubsub)
        for channel in channels:
            await (pubsub.psubscribe if "*" in channel else pubsub.subscribe)(channel)
            assert (await said(pubsub))["type"] in ("subscribe", "psubscribe")
        return pubsub

    async def blocked(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a command, and come back when the server has it waiting."""
        before = await waiting(self.r)
        task = asyncio.create_task(call)
        await until(lambda: more_than(before, self.r))
        return task

    async def close(self) -> None:
        for client in reversed(self._open):
            await client.aclose()


async def said(pubsub: Any) -> dict[str, Any]:
    """The next thing that a subscription is told."""
    async with asyncio.timeout(PATIENCE):
        while True:
            message = await pubsub.get_message(timeout=1.0)
            if message is not None:
                return dict(message)


async def waiting(r: Client) -> int:
    """How many clients wait for something."""
    return int((await r.info("clients"))["blocked_clients"])


async def more_than(before: int, r: Client) -> bool:
    return await waiting(r) > before


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until the condition holds; what it gives."""
    async with asyncio.timeout(PATIENCE):
        while True:
            value = await condition()
            if value:
                return value
            await asyncio.sleep(0.005)


async def error_of(attempt: Awaitable[Any]) -> str:
    """The text of the error that an attempt fails with."""
    with pytest.raises(RedisError) as caught:
        await attempt
    return str(caught.value)


def contract(test: Body) -> Callable[..., None]:
    """Make a test of what must hold on both servers."""

    @pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
    @pytest.mark.parametrize("server", ["simulated", pytest.param("real", marks=pytest.mark.live)])
    def run(server: str, protocol: int, request: pytest.FixtureRequest, **values: Any) -> None:
        async def on(url: str) -> None:
            desk = Desk(url, protocol)
            try:
                await test(desk, **values)
            finally:
                await desk.close()

        async def program(world: World) -> None:
            await on(RedisServer(world).url)

        if server == "simulated":
            finding = explore(program, seeds=SEEDS)
            if finding is not None:
                raise WorldFailed(finding) from finding.error
        else:
            asyncio.run(on(request.getfixturevalue("redis_url")))

    return _with_signature(run, test)


def _with_signature(run: Callable[..., None], test: Body) -> Callable[..., None]:
    """Let pytest see what the test is parametrised with, and not the desk."""
    marks = [*getattr(test, "pytestmark", []), *run.pytestmark]  # type: ignore[attr-defined]
    functools.update_wrapper(run, test, assigned=("__name__", "__doc__", "__module__"))
    del run.__wrapped__  # type: ignore[attr-defined]
    own = [p for p in inspect.signature(run).parameters.values() if p.kind is not p.VAR_KEYWORD]
    more = list(inspect.signature(test).parameters.values())[1:]
    run.__signature__ = inspect.Signature(own + more)  # type: ignore[attr-defined]
    run.pytestmark = marks  # type: ignore[attr-defined]
    return run

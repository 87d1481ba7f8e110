"""A chat server under study, and the guests that visit it: for the graders of chat_server.py."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from autograder.simulation import current_settings

from .raw_websocket import RawWebSocket

if TYPE_CHECKING:
    from autograder.simulation import World

HOST, PORT = "chat.example", 8000
SOON = 1.0
"""Seconds within which what is said is heard, however the trips fall out: a trip takes 0.05."""

Event = dict[str, Any]


class Disconnected(AssertionError):
    """The server has ended a guest's connection, and should not have."""


class Guest:
    """Somebody who has joined a room, on a host of the same name unless it says otherwise.

    Attributes:
        events: everything the server has said, as it came; times: when, in seconds of the world.
        closed: done when the connection has ended, however.
    """

    def __init__(self, world: World, room: str, name: str) -> None:
        self.room = room
        self.name = name
        self.events: list[Event] = []
        self.times: list[float] = []
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._world = world
        self._wire: Any = None
        self._listening: asyncio.Task[None] | None = None
        self._said = 0
        self._news: asyncio.Future[None] | None = None

    @classmethod
    async def connect(
        cls,
        world: World,
        room: str = "lamps",
        name: str = "ada",
        *,
        raw: bool = False,
        at: str | None = None,
    ) -> Guest:
        """Connect, without joining: by websockets' client, or by a raw one, which is cheap."""
        guest = cls(world, room, name)
        with world.network.at(at or f"{name}.example"):
            try:
                if raw:
                    guest._wire = await RawWebSocket.connect(HOST, PORT, guest._take, guest._end)
                else:
                    guest._wire = await connect(
                        f"ws://{HOST}:{PORT}", ping_interval=None, compression=None
                    )
                    guest._listening = asyncio.create_task(guest._listen())
            except OSError as error:
                raise AssertionError(f"{name} could not connect to the server: {error}") from None
        return guest

    @classmethod
    async def join(
        cls,
        world: World,
        room: str = "lamps",
        name: str = "ada",
        *,
        after: int | None = None,
        raw: bool = False,
        at: str | None = None,
    ) -> Guest:
        """Connect, join the room, and wait for the welcome."""
        guest = await cls.connect(world, room, name, raw=raw, at=at)
        await guest.send_join(after)
        if not await guest.hears(lambda: guest.events):
            how = "was disconnected" if guest.closed.done() else f"got nothing in {SOON:g} s"
            raise AssertionError(f"{name} joined {room} and {how}; a welcome was due")
        first = guest.events[0]
        if first.get("type") != "welcome":
            raise AssertionError(f"the first thing {name} got was {first}; a welcome was due")
        return guest

    # -- speaking -------------------------------------------------------------------------------

    async def send(self, event: Any) -> None:
        """Send an object as JSON; a string or bytes go as they are."""
        try:
            await self._wire.send(event if isinstance(event, str | bytes) else json.dumps(event))
        except ConnectionClosed:
            raise Disconnected(f"{self.name} was disconnected, with {self.code}") from None

    @property
    def code(self) -> str:
        """The close code that came, in words."""
        code = self._wire.close_code
        return "no good-bye" if code in (None, 1006) else f"close code {code}"

    async def send_join(self, after: int | None = None) -> None:
        """Ask to be let in."""
        join: Event = {"type": "join", "room": self.room, "name": self.name}
        await self.send(join if after is None else {**join, "after": after})

    async def say(self, text: str, key: str | None = None) -> None:
        """Say something to the room, with a key of its own unless one is given."""
        self._said += 1
        await self.send({"type": "say", "key": key or f"{self.name} {self._said}", "text": text})

    def now(self) -> float:
        """Seconds since the world began."""
        return self._world.time()

    def heard_at(self) -> list[float]:
        """When each message came that was no part of the welcome."""
        told = zip(self.events, self.times, strict=True)
        return [at for event, at in told if event.get("type") == "message"]

    async def leave(self) -> None:
        """Close the connection, with a good-bye."""
        await self._wire.close()
        await self.closed

    def __getattr__(self, name: str) -> Any:
        # What a raw one can do besides: stop_reading(), read_on(), abort(), pings, close_code.
        return getattr(self._wire, name)

    # -- hearing --------------------------------------------------------------------------------

    @property
    def welcome(self) -> Event:
        return self.events[0]

    @property
    def messages(self) -> list[Event]:
        """The messages heard, those of the welcome first."""
        before = self.events[0].get("messages", []) if self.events else []
        return [*before, *self.of_type("message")]

    @property
    def ids(self) -> list[Any]:
        """The numbers of the messages heard."""
        return [message.get("id") for message in self.messages]

    @property
    def texts(self) -> list[Any]:
        """What was said, as heard."""
        return [message.get("text") for message in self.messages]

    def of_type(self, kind: str) -> list[Event]:
        """The events of a type that have come."""
        return [event for event in self.events if event.get("type") == kind]

    def was_told(self, kind: str, name: str) -> int:
        """How often it was told that somebody has ``joined`` or ``left``."""
        return sum(event.get("name") == name for event in self.of_type(kind))

    async def hears(self, what: Callable[[], Any], within: float = SOON) -> bool:
        """Wait until something holds; False if it does not in time, or when the connection ends."""
        deadline = self._world.time() + within
        while not what():
            left = deadline - self._world.time()
            if left <= 0 or self.closed.done():
                return bool(what())
            self._news = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._news, self.closed], timeout=left,
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        return True

    def _take(self, text: str | bytes) -> None:
        try:
            event = json.loads(text)
        except ValueError:
            event = {"type": "no JSON", "text": text}
        self.events.append(
            event if isinstance(event, dict) else {"type": "no object: " + str(text)}
        )
        self.times.append(self._world.time())
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _end(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._take(await self._wire.recv())
        self._end()


def runs(ids: list[Any]) -> str:
    """Numbers in few words: ``1-70, 72``."""
    parts: list[list[Any]] = []
    for number in ids:
        if parts and isinstance(number, int) and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts) or "nothing"


class Errors(logging.Handler):
    """What the handler of a connection has raised: websockets logs it, and closes."""

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, ConnectionClosed):
            self.raised.append(error)

    def why(self) -> str:
        """The first of them, to end a message with."""
        if not self.raised:
            return ""
        error = self.raised[0]
        return f"; before that your code raised {error!r}{self.line(error)}"

    @staticmethod
    def line(error: BaseException) -> str:
        """`` at line 12``: where in the learner's file an exception came from, if there."""
        return line_of(error)

    def of_walk(self) -> BaseException | None:
        """One that says that something was changed while a loop walked over it."""
        return next((e for e in self.raised if "during iteration" in str(e)), None)


def line_of(error: BaseException) -> str:
    """`` at line 12``: where in the learner's file an exception came from, if there."""
    is_learner = current_settings().learner
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if is_learner(frame.filename)
    ]
    return f" at line {lines[-1]}" if lines else ""


@contextmanager
def caught_errors() -> Iterator[Errors]:
    """What handlers raise within the block."""
    errors, logger = Errors(), logging.getLogger("websockets.server")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(errors)
    try:
        yield errors
    finally:
        logger.removeHandler(errors)
        logger.propagate = propagate


@asynccontextmanager
async def open_chat(world: World, submission: Any, **options: Any) -> AsyncIterator[Errors]:
    """The learner's chat server on its host, until the block ends; what its handlers raise."""
    async with served(world, HOST, submission, "serve_chat", HOST, PORT, **options) as errors:
        yield errors


@asynccontextmanager
async def served(
    world: World, host: str, submission: Any, name: str, *args: Any, **options: Any
) -> AsyncIterator[Errors]:
    """What the learner's async context manager of this name serves on a host, until the block ends.

    Where the block fails, it is left to the end of the world: how it stops does not matter any
    more, and must not hide what went wrong.
    """
    with caught_errors() as errors:
        with world.network.at(host):
            serving = getattr(submission, name)(*args, **options)
            await serving.__aenter__()
        yield errors
        try:
            async with asyncio.timeout(60):
                await serving.__aexit__(None, None, None)
        except TimeoutError:
            raise AssertionError(
                f"the block of {name} was left, and a minute later it had not ended"
            ) from None

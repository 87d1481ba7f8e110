"""confluent-kafka's consumer, with somebody who watches what a learner's code does with it.

It is the real one, in a subclass that takes its place while a grader runs. It sees three things
that nobody sees from outside: how many messages were handed over, whether the event loop was
blocked, and a wait without an end, which it ends when the grader has finished.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, cimpl

from ..mistakes import mistake

_SLICE = 0.05
"""Seconds: a longer wait is made of such ones."""
_BLOCKS = 0.05
"""Seconds that a call on the event loop's own thread may wait and not be told."""

_TRIES = 100
_QUIET, _QUIET_POLL = 3, 0.004
"""Polls without a partition, and seconds of each, before a consumer is closed."""
_LAST = 3.0
"""Seconds that closing may take."""

Consumer: Any = confluent_kafka.Consumer
"""The one that nobody watches, for graders themselves."""


class Abandoned(BaseException):
    """The worker is dead, or the test is over: whoever calls a consumer waits for nothing."""


class Life:
    """Of a worker: once it is over, nothing that its clients do has an effect."""

    over = False


class Watch:
    """What was seen of the clients that were made while it was on.

    Attributes:
        life: of whoever makes clients now.
        books: of transactions, for producers that are watched.
        polls: the messages that were handed over.
        asked: how often a consumer was asked for messages.
        revoking: how many callbacks have been told that partitions go, and have not returned.
        fails_next_commit: a commit that is waited for fails, once.
        on_call: told before and after each call that has an effect.
        on_messages: told when messages are about to be handed over.
    """

    def __init__(self) -> None:
        self.life = Life()
        self.books: Any = None
        self.polls: list[confluent_kafka.Message] = []
        self.asked = 0
        self.revoking = 0
        self.fails_next_commit = False
        self.on_call: Callable[[str], None] = lambda call: None
        self.on_messages: Callable[[], None] = lambda: None
        self.made: list[Any] = []  # consumers, in the order in which they were made

    def must_not_block(self, call: str, seconds: float) -> None:
        """AssertionError for a call that waits on the thread of a running event loop."""
        if 0 <= seconds < _BLOCKS:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        what = f"up to {seconds:g} s" if seconds > 0 else "without an end"
        raise AssertionError(
            mistake(
                "blocking-call",
                f"{call} was called on the event loop's own thread, and waits {what}: meanwhile "
                "no handler, no timer and no other task can run.",
            )
        )

    def wait(self, life: Life, seconds: float, step: Callable[[float], bool]) -> None:
        """Take steps, each a short wait, until one says that it has what it waits for."""
        end = None if seconds < 0 else time.monotonic() + seconds
        while True:
            if life.over:
                raise Abandoned
            left = _SLICE if end is None else min(_SLICE, max(0.0, end - time.monotonic()))
            if step(left) or (end is not None and time.monotonic() >= end):
                return

    def told(self, name: str, call: Callable[..., Any], client: Any, *args: Any, **kw: Any) -> Any:
        """Have a client make a call, and tell of it before and after."""
        if not client.life.over:
            self.on_call(f"before {name}")
        if client.life.over:
            raise Abandoned
        result = call(client, *args, **kw)
        if client.life.over:  # it was killed meanwhile, and hears of nothing any more
            raise Abandoned
        self.on_call(f"after {name}")
        return result

    def kill(self, *, for_good: bool = False) -> None:
        """Nothing that has been made has an effect any more; what is made from now on may have."""
        self.life.over = True
        self.life = Life()
        self.life.over = for_good

    def commit_by_member(self, offsets: list[Any]) -> None:
        """Commit in the name of the consumer that was made last."""
        if offsets and self.made:
            _commit_in_the_end(self.made[-1], offsets=offsets, asynchronous=False)

    def close_all(self) -> None:
        """Close the consumers that nobody has closed, as far as they let one."""
        closing = [threading.Thread(target=_close, args=(c,), daemon=True) for c in self.made]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(_LAST)
        self.made.clear()

    @contextmanager
    def on(self, producer: type[Any] = confluent_kafka.Producer) -> Iterator[Watch]:
        """Consumers that are made in the block are watched; ``producer`` is for producers."""
        kinds = _kinds(producer)  # type: ignore[arg-type]
        before = {name: getattr(confluent_kafka, name) for name in kinds}
        _put(kinds)
        _watches.append(self)
        try:
            yield self
        finally:
            self.kill(for_good=True)
            _watches.remove(self)
            _put(before)


@cache
def _kinds(producer: type[Any]) -> dict[str, type[Any]]:
    """What takes the place of each of confluent-kafka's clients.

    Those that (de)serialize were derived from the real ones, and get the watched one beside these.
    """
    kinds: dict[str, type[Any]] = {"Consumer": WatchedConsumer, "Producer": producer}
    for name, plain in (("DeserializingConsumer", "Consumer"), ("SerializingProducer", "Producer")):
        own, watched = getattr(confluent_kafka, name), kinds[plain]
        kinds[name] = own if issubclass(own, watched) else type(name, (own, watched), {})
    return kinds


_watches: list[Watch] = []


def current_watch() -> Watch:
    """The one that is on; one that watches nobody, if none is."""
    return _watches[-1] if _watches else Watch()


def run_watched(main: Coroutine[Any, Any, Any], watch: Watch) -> Any:
    """`asyncio.run`, and nobody is told what the dead have left: errors that nobody asked for.

    Telling of one formats its traceback, whenever it comes to be collected. If that is while
    pytest parses a file, Python before 3.11.8 and 3.12.2 loses count and raises SystemError
    (gh-106905).
    """

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not watch.life.over and not isinstance(context.get("exception"), Abandoned):
            loop.default_exception_handler(context)

    _let_threads_die_in_peace()
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(tell)
        return runner.run(main)


@cache
def _let_threads_die_in_peace() -> None:
    tell = threading.excepthook

    def hook(args: Any) -> None:
        if args.exc_type is not Abandoned:
            tell(args)

    threading.excepthook = hook


def _put(kinds: dict[str, Any]) -> None:
    for name, kind in kinds.items():
        setattr(confluent_kafka, name, kind)
        if hasattr(cimpl, name):
            setattr(cimpl, name, kind)


def _commit_in_the_end(consumer: Any, *args: Any, **kwargs: Any) -> Any:
    """Commit. In a rebalance one may fail that would not a moment later: chance, so not here."""
    for _ in range(_TRIES):
        try:
            return Consumer.commit(consumer, *args, **kwargs)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.STALE_MEMBER_EPOCH:
                raise
            time.sleep(_SLICE)
    return Consumer.commit(consumer, *args, **kwargs)


def close_in_peace(consumer: Any) -> None:
    """Close a consumer that has nothing any more.

    One that is given partitions in `close`, or gives them up there, asks librdkafka, and may be
    answered by nobody, as that is ending. It waits for ever, with the GIL: all of Python stands
    still. What is on its way to it when it unsubscribes has been queued, and comes by the polls.
    """
    if not _is_closed(consumer):
        Consumer.pause(consumer, Consumer.assignment(consumer))  # no message is to come any more
        Consumer.unsubscribe(consumer)
        quiet = 0
        for _ in range(_TRIES):
            Consumer.poll(consumer, _QUIET_POLL)
            quiet = 0 if Consumer.assignment(consumer) else quiet + 1
            if quiet == _QUIET:
                break
    Consumer.close(consumer)


def _is_closed(consumer: Any) -> bool:
    try:
        Consumer.assignment(consumer)
    except RuntimeError:
        return True
    return False


def _close(consumer: Any) -> None:
    consumer.wait_for_others(_LAST)
    with suppress(Exception), consumer.closing:  # it is closed, or was never opened
        close_in_peace(consumer)


class WatchedConsumer(Consumer):  # type: ignore[misc]
    """A Consumer. A learner's module may have imported it for an earlier self.watch.

    It is closed by the learner, or by the grader, or by both: one after the other, as the first
    ends what the second would be using.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.watch = current_watch()
        self.life = self.watch.life
        self.config = {**(args[0] if args else {}), **kwargs}
        self.has_read: set[str] = set()  # topics
        self.closing = threading.Lock()
        self._calls, self._fewer = 0, threading.Condition()
        super().__init__(*args, **kwargs)
        self.watch.made.append(self)

    def subscribe(self, topics: Any, *args: Any, **kwargs: Any) -> None:
        callbacks = {
            **dict(zip(("on_assign", "on_revoke", "on_lost"), args, strict=False)),
            **kwargs,
        }
        if callback := callbacks.get("on_revoke"):
            callbacks["on_revoke"] = self._counted(callback)
        Consumer.subscribe(self, topics, **callbacks)

    def _counted(self, callback: Callable[..., Any]) -> Callable[..., None]:
        def revoke(*args: Any) -> None:
            self.watch.revoking += 1
            try:
                callback(*args)
            finally:
                self.watch.revoking -= 1

        return revoke

    def poll(self, timeout: float | None = None) -> Any:
        seconds = -1.0 if timeout is None else float(timeout)
        self.watch.must_not_block("Consumer.poll", seconds)
        self.watch.asked += 1
        found: list[Any] = []

        def step(left: float) -> bool:
            with self._in_use():
                message = Consumer.poll(self, left)
            if message is not None:
                found.append(message)
            return bool(found)

        self.watch.wait(self.life, seconds, step)
        self._note(found)
        return found[0] if found else None

    def consume(self, num_messages: int = 1, timeout: float | None = None) -> list[Any]:
        seconds = -1.0 if timeout is None else float(timeout)
        self.watch.must_not_block("Consumer.consume", seconds)
        self.watch.asked += 1
        found: list[Any] = []

        def step(left: float) -> bool:
            with self._in_use():
                found.extend(Consumer.consume(self, num_messages - len(found), left))
            return len(found) >= num_messages

        self.watch.wait(self.life, seconds, step)
        self._note(found)
        return found

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        waits = not kwargs.get("asynchronous", True)
        if waits and self.watch.fails_next_commit:
            self.watch.fails_next_commit = False
            raise KafkaException(KafkaError(KafkaError.STALE_MEMBER_EPOCH))
        commit = _commit_in_the_end if waits else Consumer.commit
        with self._in_use():
            return self.watch.told("commit", commit, self, *args, **kwargs)

    def close(self) -> None:
        """As the real one does; but what it has is given up before, by a poll."""
        with self.closing:
            close_in_peace(self)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._fewer:
            self._calls += 1
        try:
            yield
        finally:
            with self._fewer:
                self._calls -= 1
                self._fewer.notify_all()

    def wait_for_others(self, seconds: float) -> None:
        """Wait until no other thread is in a call of this consumer, or so long."""
        with self._fewer:
            self._fewer.wait_for(lambda: not self._calls, seconds)

    def store_offsets(self, *args: Any, **kwargs: Any) -> Any:
        return self.watch.told("store_offsets", Consumer.store_offsets, self, *args, **kwargs)

    def _note(self, messages: list[Any]) -> None:
        good = [message for message in messages if not message.error()]
        self.watch.polls += good
        self.has_read |= {message.topic() for message in good}
        self.watch.on_messages()


WatchedConsumer.__name__ = "Consumer"

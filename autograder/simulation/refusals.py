"""What a simulated world does not have, said in one sentence.

A real socket or subprocess would leave virtual time; a call that waits for one on the loop's
thread also blocks every other task, which is a mistake of its own (``blocking-call``).
"""

from __future__ import annotations

import concurrent.futures
import os
import random
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from typing import Any

from .current import here
from .patches import Patches
from .problems import Refused

_INSTEAD_OF_SOCKETS = "a client that awaits (aiohttp, asyncio.open_connection)"


_UUID_EPOCH = 0x01B21DD213814000
"""The beginning of 1970, in the tenths of microseconds since 1582 that a UUID counts."""


class RealNetworkRefused(OSError):
    """A blocking call reached for the real network inside a simulated world."""


def _refuse_network(patches: Patches, owner: Any, name: str, shown: str) -> None:
    def refused(*args: Any, **kwargs: Any) -> Any:
        world = here.world
        if world is None:
            return original(*args, **kwargs)
        if here.worker is None:
            world.blocked(f"{shown}(...) on a real socket", _INSTEAD_OF_SOCKETS)
        raise RealNetworkRefused(
            f"{shown}: a simulated world has no real network. Use {_INSTEAD_OF_SOCKETS}."
        )

    original = patches.put(owner, name, refused)


def _allow_pairs(patches: Patches) -> None:
    """Two connected sockets are no network, even where Python has to connect them by TCP."""

    def socketpair(*args: Any, **kwargs: Any) -> Any:
        world, here.world = here.world, None
        try:
            return original(*args, **kwargs)
        finally:
            here.world = world

    original = patches.put(socket, "socketpair", socketpair)


def _refuse(patches: Patches, owner: Any, name: str, message: str, blocking: str = "") -> None:
    def refused(*args: Any, **kwargs: Any) -> Any:
        world = here.world
        if world is None:
            return original(*args, **kwargs)
        if blocking and here.worker is None:
            world.blocked(blocking, "asyncio's own calls, or asyncio.to_thread")
        raise Refused(message)

    original = patches.put(owner, name, refused)


def _watch_future_result(patches: Patches) -> None:
    original = concurrent.futures.Future.result

    def result(self: Any, timeout: float | None = None) -> Any:
        world = here.world
        if world is not None and here.worker is None and not self.done():
            world.blocked("concurrent.futures.Future.result()", "await asyncio.wrap_future(...)")
        return original(self, timeout)

    patches.put(concurrent.futures.Future, "result", result)


def _seed_entropy(patches: Patches) -> None:
    real: Callable[[int], bytes] = os.urandom

    def urandom(size: int, /) -> bytes:
        world = here.world
        return real(size) if world is None else world.entropy.randbytes(size)

    patches.put(os, "urandom", urandom)
    patches.put(random, "_urandom", urandom)


def _seed_generators(patches: Patches) -> None:
    """A `random.Random()` of the program's own takes its seed from the system, past urandom."""

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        world = here.world
        if a is None and world is not None:
            a = world.entropy.getrandbits(256)
        original(self, a, version)

    original = patches.put(random.Random, "seed", seed)
    shared = random.seed.__self__  # type: ignore[attr-defined]
    patches.put(random, "seed", seed.__get__(shared))


def _seed_uuid1(patches: Patches) -> None:
    """uuid4 is made of entropy; uuid1 of the real clock, and of a counter that outlives worlds."""

    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        world = here.world
        if world is None:
            return original(node, clock_seq)  # type: ignore[no-any-return]
        random_bits = world.entropy.getrandbits
        stamp = time.time_ns() // 100 + _UUID_EPOCH
        sequence = random_bits(14) if clock_seq is None else clock_seq & 0x3FFF
        high = (stamp >> 48) & 0x0FFF
        fields = (
            *(stamp & 0xFFFFFFFF, (stamp >> 32) & 0xFFFF, high),
            *(sequence >> 8, sequence & 0xFF, random_bits(48) if node is None else node),
        )
        return uuid.UUID(fields=fields, version=1)

    original = patches.put(uuid, "uuid1", uuid1)


def install(patches: Patches) -> None:
    """Put the refusals in place."""
    for name in ("connect", "connect_ex", "bind", "sendto"):
        _refuse_network(patches, socket.socket, name, f"socket.{name}")
    for name in ("getaddrinfo", "gethostbyname"):
        _refuse_network(patches, socket, name, f"socket.{name}")
    _allow_pairs(patches)
    subprocesses = "A simulated world has no subprocesses."
    _refuse(patches, subprocess.Popen, "__init__", subprocesses, "starting a subprocess")
    _refuse(patches, os, "system", subprocesses, "os.system(...)")
    if hasattr(os, "fork"):
        _refuse(patches, os, "fork", subprocesses)
    _refuse(patches, signal, "signal", "A simulated world has no signals: call the handler itself.")
    _watch_future_result(patches)
    _seed_entropy(patches)
    _seed_generators(patches)
    _seed_uuid1(patches)

"""`asyncio.wait_for` as it is since Python 3.12, for Python 3.11.

That of 3.11 makes a task for what it waits for. If that is done, and whoever waits is cancelled in
the same moment, the result is returned and the cancellation is lost (gh-86296). redis-py sends each
command through it: correct code that cancels a task of its own would be told, now and then, that
the task never ends, and on one version of Python only.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, TypeVar

from .patches import Patches

T = TypeVar("T")
original = asyncio.wait_for


async def wait_for(fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109
    """What ``fut`` gives, within so many seconds (None: whenever it comes).

    Raises:
        TimeoutError: it did not come in time, and was cancelled.
    """
    if timeout is not None and timeout <= 0:
        return await original(fut, timeout)  # it only looks whether there is a result
    async with asyncio.timeout(timeout):
        return await fut


def install(patches: Patches) -> None:
    """Put it in place, where Python has the older one."""
    if sys.version_info < (3, 12):
        for module in (asyncio, asyncio.tasks):
            patches.put(module, "wait_for", wait_for)


def use_in_real_time() -> None:
    """From now on outside of worlds, too."""
    install(_for_good)


_for_good: Any = Patches()

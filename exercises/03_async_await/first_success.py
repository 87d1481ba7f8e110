"""Ask every mirror at once and take the first answer.

The same file lies on several mirrors. Each is fast on some days, slow on others, and down now and
then. You ask all of them, use whichever answers first, and call off the rest.

Write `first_success`. A mirror is an async function without arguments: `await mirror()` gives its
answer or raises an exception.

Rules
  1. All mirrors are asked at once, each exactly once.
  2. The result is the first answer to arrive. A mirror that fails is no answer: the others go on.
     Any value is an answer, None and other false ones too.
  3. The others are cancelled as soon as there is an answer, and they get the time to clean up:
     when `first_success` returns, every mirror has ended. What a mirror raises after there is an
     answer interests nobody.
  4. If all fail, an ExceptionGroup with the exceptions of all mirrors is raised, once the last one
     has failed.
  5. If `first_success` itself is cancelled, so are the mirrors, and the cancellation goes on to
     the caller. At whatever moment it comes, also while others clean up: when `first_success`
     ends, every mirror has ended.
  6. No mirrors: ValueError.

Out of scope: timeouts, retries, and mirrors that refuse to be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def first_success(mirrors: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> T:
    """Return the first result any of `mirrors` gives; the others are cancelled and have ended."""
    raise NotImplementedError

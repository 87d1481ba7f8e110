"""A class that keeps the two blocks on an AsyncExitStack."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class task_scope:
    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._blocks = AsyncExitStack()
        self._group = asyncio.TaskGroup()

    def start(self, job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._group.create_task(job, name=job.__qualname__)

    async def __aenter__(self) -> task_scope:
        await self._blocks.enter_async_context(asyncio.timeout(self._seconds))
        await self._blocks.enter_async_context(self._group)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._blocks.__aexit__(kind, error, trace)

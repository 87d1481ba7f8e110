"""No generator at all: an object with __anext__ and aclose(), shared by both functions."""

from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    time: int
    value: Any = None


@dataclass(frozen=True)
class Window:
    start: int
    end: int
    events: tuple


class Windows:
    def __init__(self, events, size, step, lateness, on_late):
        self.events, self.size, self.step = events, size, step
        self.lateness, self.on_late = lateness, on_late
        self.latest = None
        self.held = {}
        self.ready = deque()
        self.over = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.ready and not self.over:
            try:
                event = await anext(self.events)
            except StopAsyncIteration:
                self.over = True
                self.give(None)
            except BaseException:
                await self.aclose()
                raise
            else:
                self.add(event)
        if not self.ready:
            await self.aclose()
            raise StopAsyncIteration
        return self.ready.popleft()

    async def aclose(self):
        self.over = True
        self.ready.clear()
        await self.events.aclose()

    def add(self, event):
        if self.latest is None or event.time > self.latest:
            self.latest = event.time
        watermark = self.latest - self.lateness
        start = event.time // self.step * self.step
        missed = False
        while start + self.size > event.time:
            if start + self.size > watermark:
                self.held.setdefault(start, []).append(event)
            else:
                missed = True
            start -= self.step
        if missed:
            self.on_late(event)
        self.give(watermark)

    def give(self, watermark):
        for start in sorted(self.held):
            if watermark is None or start + self.size <= watermark:
                events = sorted(self.held.pop(start), key=lambda event: event.time)
                self.ready.append(Window(start, start + self.size, tuple(events)))


def tumbling(events, size, *, lateness, on_late):
    return Windows(events, size, size, lateness, on_late)


def sliding(events, size, step, *, lateness, on_late):
    return Windows(events, size, step, lateness, on_late)

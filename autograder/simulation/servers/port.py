"""What simulated servers have in common: they listen, go down, and come up again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..network.server import SimulatedServer
    from ..world import World


class ServerOnPort(ABC):
    """A server on a port of a host of the world's network; it is up from the beginning."""

    def __init__(self, world: World, host: str, port: int) -> None:
        self.world = world
        self.host = host
        self.port = port
        self._listening: SimulatedServer | None = None
        self._listen()

    @abstractmethod
    def _accept(self) -> asyncio.BaseProtocol:
        """The protocol for a client that connects."""

    @abstractmethod
    def stop(self, *args: Any, **kwargs: Any) -> None:
        """Go down: connections end, and new ones are refused until `start`."""

    def start(self) -> None:
        """Come up again, after `stop`."""
        if self._listening is None:
            self.fault(f"{self.host} is up again")
            self._listen()

    async def restart(self, down_for: float = 1.0, **how: Any) -> None:
        """`stop`, ``how`` it can be told to, and `start` after ``down_for`` virtual seconds."""
        self.stop(**how)
        await asyncio.sleep(down_for)
        self.start()

    async def refuse(self, seconds: float) -> None:
        """Refuse new connections for a while; those there are live on."""
        if self._listening is not None:
            self.fault(f"{self.host} refuses connections")
            self._hang_up()
        await asyncio.sleep(seconds)
        self.start()

    def fault(self, text: str) -> None:
        """Something goes wrong: the timeline tells it."""
        self.world.record("fault", text, lane="")

    def note(self, text: str) -> None:
        """Something worth a line in the timeline."""
        self.world.record("note", text, lane="")

    def _listen(self) -> None:
        self._listening = self.world.network.listen(self._accept, self.host, self.port)

    def _hang_up(self) -> bool:
        """Listen no more; False if it did not."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        return listening is not None

"""Hosts, the links between them, and names and addresses."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..current import Process

if TYPE_CHECKING:
    from .server import SimulatedServer

Range = tuple[float, float]

LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"
_LOOPBACK_NAMES = frozenset({"localhost", "::1", "ip6-localhost"})
_ANY_NAMES = frozenset({"", "::", ANY})
_SERVICES = {"http": 80, "https": 443, "redis": 6379, "amqp": 5672}
_FIRST_FRESH_PORT = 49_152


@dataclass(frozen=True, slots=True)
class Rule:
    """What goes wrong with connections to a host.

    ``port`` None means every port, ``chance`` None means always; ``after`` is in bytes.
    """

    kind: Literal["refuse", "drop", "silence", "reset", "half-open"]
    port: int | None
    chance: float | None
    after: int = 0


@dataclass(eq=False, slots=True)
class Host:
    """A machine: a name, an address, what listens on it, and what is wrong with it.

    Attributes:
        latency: seconds, least and most, of one trip to or from it; None for the network's own.
        resolve_delay: seconds until its name is resolved.
        bandwidth: bytes a second of a link to it, each way; None for no bound.
        stalled: nothing gets to it or from it for now.
        vanished: nothing gets to it or from it, and TCP gives up in the end.
        process: what is started there belongs to it.
        fragment: the share of writes to or from it that arrive in two pieces (never when calm).
    """

    name: str
    address: str
    latency: Range | None = None
    resolve_delay: float = 0.0
    bandwidth: float | None = None
    stalled: bool = False
    vanished: bool = False
    fragment: float = 0.0
    rules: list[Rule] = field(default_factory=list)
    listeners: dict[tuple[str, int], SimulatedServer] = field(default_factory=dict)
    last_port: int = _FIRST_FRESH_PORT - 1
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        self.process = Process(self.name)

    def fresh_port(self) -> int:
        """A port that nothing on this host has been given yet."""
        self.last_port += 1
        while any(port == self.last_port for _, port in self.listeners):
            self.last_port += 1
        return self.last_port

    def listener(self, address: str, port: int) -> SimulatedServer | None:
        """Who answers a connection to this address and port of the host, if anybody."""
        return self.listeners.get((address, port)) or self.listeners.get((ANY, port))

    def is_taken(self, address: str, port: int) -> bool:
        """True if a server that binds to this address and port would find them in use."""
        if address == ANY:
            return any(port == taken for _, taken in self.listeners)
        return (address, port) in self.listeners or (ANY, port) in self.listeners


class Link:
    """The way between two hosts, the same in both directions.

    ``low`` and ``high`` are the seconds that one trip takes, ``bandwidth`` the bytes a second that
    all its connections share in each of its two directions (None for no bound). A link that is
    ``held`` keeps what is on its way until it is let go; if it is ``dark`` as well, what is sent
    is lost, and TCP sends it again or gives up.
    """

    __slots__ = (
        "_free_at", "bandwidth", "connections", "cut", "dark", "ends", "fragment", "held", "high",
        "low", "own", "own_bandwidth",
    )  # fmt: skip

    def __init__(self, one: Host, other: Host, default: Range) -> None:
        self.ends = (one, other)
        self.own: Range | None = None
        self.own_bandwidth: float | None = None
        self.cut = False
        self._free_at = [0.0, 0.0]
        self.connections: dict[str, int] = {}
        self.refresh(default)

    def refresh(self, default: Range) -> None:
        """Work out latencies again: the link's own, else the slower of the two hosts'."""
        one, other = self.ends
        given = [self.own] if self.own else [end.latency for end in self.ends if end.latency]
        self.low = max((low for low, _ in given), default=default[0])
        self.high = max((high for _, high in given), default=default[1])
        bounds = [self.own_bandwidth, one.bandwidth, other.bandwidth]
        self.bandwidth = min((bound for bound in bounds if bound is not None), default=None)
        # A host reaches itself whatever becomes of its cable.
        self.dark = self.cut or (one is not other and (one.vanished or other.vanished))
        self.held = self.dark or one.stalled or other.stalled
        self.fragment = max(one.fragment, other.fragment)

    def departure(self, direction: int, size: int, now: float) -> float:
        """When the last of so many bytes has left: they queue behind those that were there first.

        ``direction`` is 0 for what the first of its ends sends, 1 for what the other does.
        """
        assert self.bandwidth is not None
        self._free_at[direction] = max(now, self._free_at[direction]) + size / self.bandwidth
        return self._free_at[direction]

    def forget_queue(self) -> None:
        """What waited to be carried is lost."""
        self._free_at = [0.0, 0.0]

    def number(self, target: str) -> int:
        """How many connections to ``target`` there were on this link, with a new one."""
        count = self.connections[target] = self.connections.get(target, 0) + 1
        return count


def normal(name: Any) -> str:
    """A host name or address as the network spells it: loopback and wildcard have one name each.

    None is the wildcard, as it is for asyncio's servers.
    """
    if name is None:
        return ANY
    text = name.decode("ascii") if isinstance(name, bytes) else str(name)
    text = text.strip("[]").rstrip(".").lower()
    if text in _ANY_NAMES:
        return ANY
    if text in _LOOPBACK_NAMES or text.startswith("127."):
        return LOOPBACK
    return text


def port_number(port: Any) -> int:
    """A port given as a number, digits or a well-known service; raises socket.gaierror."""
    if port is None or port == "":
        return 0
    if isinstance(port, bytes):
        port = port.decode("ascii")
    if isinstance(port, str) and not port.isdecimal():
        if port in _SERVICES:
            return _SERVICES[port]
        raise socket.gaierror(socket.EAI_SERVICE, f"Servname not supported: {port!r} is no port")
    number = int(port)
    if not 0 <= number <= 65_535:
        raise OverflowError(f"port must be 0-65535, not {number}")
    return number

"""What can be made to go wrong on the network: the part of `Network` that tests drive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from .connection import Connection
from .hosts import Host, Link, Range, Rule
from .topology import Topology, positive

Side = str | Iterable[str]
"""A host, or several."""


class Faults(Topology):
    """Faults of hosts and links.

    With ``chance`` a fault befalls that share of connections, drawn for each, and none in the
    calm world; without, it befalls all of them. ``heal`` takes the faults of a host away.
    """

    # -- connections ----------------------------------------------------------------------------

    def refuse(self, host: str, port: int | None = None, *, chance: float | None = None) -> None:
        """Answer attempts to connect with a refusal, as a machine without that server would."""
        self._add(host, Rule("refuse", port, chance))

    def drop(self, host: str, port: int | None = None, *, chance: float | None = None) -> None:
        """Lose attempts to connect without an answer, as a firewall would.

        Each attempt is repeated after 1, 2, 4, … seconds, each time with a chance of its own; after
        about two minutes connecting fails with TimeoutError.
        """
        self._add(host, Rule("drop", port, chance))

    def silence(self, host: str, port: int | None = None, *, chance: float | None = None) -> None:
        """Let connections succeed, and never answer on them: the server behind them hangs."""
        self._add(host, Rule("silence", port, chance))

    def reset(
        self,
        host: str,
        port: int | None = None,
        *,
        after: int | None = None,
        chance: float | None = None,
    ) -> None:
        """Break connections to a host: both ends get ConnectionResetError.

        Without ``after`` this happens once, now, to all that are open. With it, it happens to
        each connection that is made from now on when the host has sent ``after`` bytes on it: the
        peer gets exactly these.
        """
        if after is not None:
            self._add(host, Rule("reset", port, chance, after))
            return
        for connection in self._struck(host, port, chance, "reset"):
            connection.reset()

    def half_open(
        self,
        host: str,
        port: int | None = None,
        *,
        after: int | None = None,
        chance: float | None = None,
    ) -> None:
        """Leave connections to a host half-open: what is sent on them is lost, and nobody is told.

        This is what a router does that forgets a connection. New ones are not affected. Whoever
        has something to send gets a TimeoutError after a quarter of an hour (`GIVE_UP`); whoever
        only listens never learns of it. Nothing revives the connection.

        Without ``after`` this happens once, now, to all that are open. With it, it happens to each
        connection that is made from now on when the host has sent ``after`` bytes on it: these
        arrive. With 0, a server accepts, and never gets a byte.
        """
        if after is not None:
            self._add(host, Rule("half-open", port, chance, after))
            return
        for connection in self._struck(host, port, chance, "half-open"):
            connection.sever()

    # -- hosts ----------------------------------------------------------------------------------

    def vanish(self, host: str) -> None:
        """Take a host off the network without a word, until `heal`.

        What is sent to it is swallowed, nothing comes from it, and connecting to it hangs. Its
        connections are half-open: whoever has something to send to it gets a TimeoutError after a
        quarter of an hour, whoever only listens never learns of it. When it is back it knows none
        of them: its own programs get ConnectionAbortedError, and its peers a ConnectionResetError
        as soon as something they send gets there.
        """
        self._host(host).vanished = True
        self._changed(f"{host} vanishes", self._links_of(self._host(host)))

    def stall(self, host: str) -> None:
        """Hold everything that is on its way to and from a host, until `resume`."""
        self._host(host).stalled = True
        self._changed(f"{host} stalls", self._links_of(self._host(host)))

    def resume(self, host: str) -> None:
        """Let go of what `stall` holds."""
        self._host(host).stalled = False
        self._changed(f"{host} goes on", self._links_of(self._host(host)))

    def heal(self, host: str) -> None:
        """Take away the faults of a host: rules for its connections, stalls, cuts, its absence."""
        healed = self._host(host)
        healed.rules.clear()
        healed.stalled = False
        if healed.vanished:
            healed.vanished = False
            for connection in self.connections(healed.name):
                if not connection.is_local:
                    connection.lose_end(healed)
        links = self._links_of(healed)
        for link in links:
            link.cut = False
        self._refresh(links)

    # -- links ----------------------------------------------------------------------------------

    def cut(self, one: str, other: str) -> None:
        """Part two hosts, until `mend`: nothing gets from one to the other.

        Connecting hangs, and is repeated as for `drop`. What is sent meanwhile is lost, and TCP
        sends it again, less and less often: it arrives within about as much time after `mend` as
        the cut has lasted. A sender whose bytes are not acknowledged for a quarter of an hour
        gives up with TimeoutError; its peer, when it sends, gets ConnectionResetError. A connection
        on which nobody sends outlives any cut.
        """
        self.partition(one, other)

    def mend(self, *sides: Side) -> None:
        """Join what `cut` or `partition` has parted; without arguments, all of it."""
        links = list(self._between(sides)) if sides else list(self._links.values())
        for link in links:
            link.cut = False
        self._changed(f"{_named(sides) or 'all hosts'} are joined", links)

    def partition(self, *sides: Side) -> None:
        """Part the hosts of each side from those of all others, as `cut` does, until `mend`.

        A side is a name or several. Hosts that are in no side reach everybody.
        """
        links = list(self._between(sides))
        for link in links:
            link.cut = True
        self._changed(f"{_named(sides)} are parted", links)

    def link(
        self,
        one: str,
        other: str,
        *,
        latency: Range | None = None,
        bandwidth: float | None = None,
    ) -> None:
        """Give the way between two hosts a latency and a bandwidth of its own.

        ``latency`` is in seconds, least and most. ``bandwidth`` is in bytes a second: all that one
        of them sends to the other shares it, and what comes back has as much again.
        """
        link = self._link(self._host(one), self._host(other))
        if latency is not None:
            link.own = latency
        if bandwidth is not None:
            link.own_bandwidth = positive(bandwidth)
        self._refresh([link])

    # -- details --------------------------------------------------------------------------------

    def _add(self, host: str, rule: Rule) -> None:
        self._host(host).rules.append(rule)
        self.world.record("fault", f"{host}: {rule.kind}")

    def _changed(self, what: str, links: list[Link]) -> None:
        self.world.record("fault", what)
        self._refresh(links)

    def _between(self, sides: tuple[Side, ...]) -> Iterator[Link]:
        """The ways from a host of one side to a host of another."""
        for one, other in combinations([list(map(self._host, _names(side))) for side in sides], 2):
            yield from (self._link(a, b) for a in one for b in other if a is not b)

    def _struck(
        self, host: str, port: int | None, chance: float | None, kind: str
    ) -> Iterator[Connection]:
        """The open connections of a host that a fault befalls now."""
        for connection in self.connections(host):
            if port is not None and connection.port != port:
                continue
            if chance is None or self.world.chance(chance, f"{connection.key} {kind}"):
                yield connection

    def _befalls(self, kind: str, host: Host, port: int, key: str) -> Rule | None:
        """The first rule of this kind that strikes a connection, if any does."""
        for rule in host.rules:
            if rule.kind != kind or rule.port not in (None, port):
                continue
            if rule.chance is None or self.world.chance(rule.chance, f"{key} {kind}"):
                return rule
        return None


def _names(side: Side) -> list[str]:
    return [side] if isinstance(side, str) else list(side)


def _named(sides: tuple[Side, ...]) -> str:
    return " and ".join(", ".join(_names(side)) for side in sides)

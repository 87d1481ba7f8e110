"""What can be made to go wrong on the network: the part of `Network` that tests drive."""

from __future__ import annotations

from .hosts import Host, Range, Rule
from .topology import Topology


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
        for connection in self.connections(host):
            if port is None or connection.port == port:
                key = f"{connection.key} reset"
                if chance is None or self.world.chance(chance, key):
                    connection.reset()

    def heal(self, host: str) -> None:
        """Take away the faults of a host: rules for its connections, stalls and cuts."""
        healed = self._host(host)
        healed.rules.clear()
        healed.stalled = False
        links = self._links_of(healed)
        for link in links:
            link.cut = False
        self._refresh(links)

    # -- links ----------------------------------------------------------------------------------

    def stall(self, host: str) -> None:
        """Hold everything that is on its way to and from a host, until `resume`."""
        self._hold(self._host(host), True)

    def resume(self, host: str) -> None:
        """Let go of what `stall` holds."""
        self._hold(self._host(host), False)

    def cut(self, one: str, other: str) -> None:
        """Part two hosts: what is between them waits, until `mend`."""
        self._cut(one, other, True)

    def mend(self, one: str, other: str) -> None:
        """Join two hosts that `cut` has parted."""
        self._cut(one, other, False)

    def link(self, one: str, other: str, *, latency: Range) -> None:
        """Give the way between two hosts a latency of its own, in seconds, least and most."""
        link = self._link(self._host(one), self._host(other))
        link.own = latency
        self._refresh([link])

    # -- details --------------------------------------------------------------------------------

    def _add(self, host: str, rule: Rule) -> None:
        self._host(host).rules.append(rule)
        self.world.record("fault", f"{host}: {rule.kind}")

    def _hold(self, host: Host, stalled: bool) -> None:
        host.stalled = stalled
        self.world.record("fault", f"{host.name} {'stalls' if stalled else 'goes on'}")
        self._refresh(self._links_of(host))

    def _cut(self, one: str, other: str, cut: bool) -> None:
        link = self._link(self._host(one), self._host(other))
        link.cut = cut
        self.world.record("fault", f"{one} and {other} {'are parted' if cut else 'are joined'}")
        self._refresh([link])

    def _befalls(self, kind: str, host: Host, port: int, key: str) -> Rule | None:
        """The first rule of this kind that strikes a connection, if any does."""
        for rule in host.rules:
            if rule.kind != kind or rule.port not in (None, port):
                continue
            if rule.chance is None or self.world.chance(rule.chance, f"{key} {kind}"):
                return rule
        return None

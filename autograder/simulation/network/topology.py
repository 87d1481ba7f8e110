"""Which hosts there are, how they are linked, and how names become addresses."""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..current import current_process
from ..problems import Refused
from .connection import Connection
from .hosts import ANY, LOOPBACK, Host, Link, Range, normal, port_number

if TYPE_CHECKING:
    from ..world import World

DEFAULT_HOST = "client"

current_host: contextvars.ContextVar[str] = contextvars.ContextVar("host", default=DEFAULT_HOST)
"""The name of the host that the running code is on."""


class Topology:
    """Hosts, links and names: the part of `Network` that knows who is where."""

    def __init__(self, world: World, latency: Range = (0.001, 0.050)) -> None:
        self.world = world
        self.latency = latency
        self._loop = world.loop
        self._hosts: dict[str, Host] = {}
        self._by_address: dict[str, Host] = {}
        self._links: dict[frozenset[str], Link] = {}
        self._connections: dict[Connection, None] = {}

    # -- hosts ----------------------------------------------------------------------------------

    def host(
        self,
        name: str,
        latency: Range | None = None,
        resolve_delay: float | None = None,
        *,
        fragment: float | None = None,
        bandwidth: float | None = None,
    ) -> Host:
        """The host of that name, made if it is new.

        ``latency`` is in seconds, least and most, of one trip to it or from it; between two
        hosts the slower one counts. ``resolve_delay`` is in seconds. ``fragment`` is the share of
        writes that arrive in two pieces. ``bandwidth`` is in bytes a second, each way, of its link
        to any one host; the narrower of two counts.
        """
        host = self._host(name)
        if resolve_delay is not None:
            host.resolve_delay = resolve_delay
        if latency is not None:
            host.latency = latency
        if fragment is not None:
            host.fragment = fragment
        if bandwidth is not None:
            host.bandwidth = positive(bandwidth)
        self._refresh(self._links_of(host))
        return host

    @contextmanager
    def at(self, name: str) -> Iterator[Host]:
        """Run the block as that host: connections come from it, 127.0.0.1 is it.

        What is started in it belongs to the host's process, which `World.kill` can kill.
        """
        host = self._host(name)
        token, owner = current_host.set(host.name), current_process.set(host.process)
        try:
            yield host
        finally:
            current_process.reset(owner)
            current_host.reset(token)

    def connections(self, host: str | None = None) -> list[Connection]:
        """Connections that are open at one end or both: all of them, or those of one host."""
        if host is None:
            return list(self._connections)
        wanted = self._host(host)
        return [c for c in self._connections if wanted in c.link.ends]

    def name_of(self, address: str) -> str:
        """The name of the host with this address; of 127.0.0.1, of the host that asks."""
        return self._host(address).name

    def _host(self, name: str) -> Host:
        name = normal(name)
        if name in (LOOPBACK, ANY):
            name = current_host.get()
        host = self._hosts.get(name) or self._by_address.get(name)
        if host is None:
            number = len(self._hosts) + 1
            host = Host(name, f"10.0.{number // 250}.{number % 250}")
            self._hosts[name] = self._by_address[host.address] = host
        return host

    def _link(self, one: Host, other: Host) -> Link:
        ends = frozenset((one.name, other.name))
        link = self._links.get(ends)
        if link is None:
            link = self._links[ends] = Link(one, other, self.latency)
        return link

    def _links_of(self, host: Host) -> list[Link]:
        return [link for link in self._links.values() if host in link.ends]

    def _refresh(self, links: list[Link]) -> None:
        freed, darkened = set(), set()
        for link in links:
            held, dark = link.held, link.dark
            link.refresh(self.latency)
            if held and not link.held:
                link.forget_queue()
                freed.add(link)
            elif link.dark and not dark:
                darkened.add(link)
        for connection in list(self._connections) if freed or darkened else ():
            if connection.link in freed:
                connection.let_go()
            elif connection.link in darkened:
                connection.darken()

    # -- names ----------------------------------------------------------------------------------

    async def _resolve(self, name: Any) -> str:
        """The address of a name; raises socket.gaierror for one that this world does not know."""
        name = normal(name)
        if name in (LOOPBACK, ANY):
            return LOOPBACK
        if name in self._by_address:
            return str(name)
        host = self._hosts.get(name)
        await self._wait(host.resolve_delay if host else 0.0)
        host = host or self._hosts.get(name)
        if host is None:
            raise socket.gaierror(socket.EAI_NONAME, self._unknown(name))
        return host.address

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._hosts, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"Name or service not known: this world has no host {name!r}{hint}"

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        """As ``loop.getaddrinfo``: there is one IPv4 address to a name, for TCP."""
        number = port_number(port)
        if host is None and flags & socket.AI_PASSIVE:
            address = ANY
        else:
            address = await self._resolve(LOOPBACK if host is None else host)
        if family == socket.AF_INET6:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no IPv6 address in this world")
        if type not in (0, socket.SOCK_STREAM):
            raise Refused("The simulated network has no UDP.")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, number))]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """As ``loop.getnameinfo``."""
        address, port = sockaddr[:2]
        host = self._by_address.get(address)
        if flags & socket.NI_NUMERICHOST or host is None:
            return str(address), str(port)
        return host.name, str(port)

    async def _wait(self, delay: float) -> None:
        """Let time pass: on the way nothing of the program runs."""
        passed: asyncio.Future[None] = self._loop.create_future()
        timer = self._loop.call_later(delay, _complete, passed)
        try:
            await passed
        finally:
            timer.cancel()


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def positive(bandwidth: float) -> float:
    if not bandwidth > 0:
        raise ValueError(f"bandwidth must be more than 0 bytes a second, not {bandwidth!r}")
    return bandwidth

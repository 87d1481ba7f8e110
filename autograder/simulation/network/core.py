"""The network of one world."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..current import Process
from ..loop import START
from ..problems import Refused
from .connection import Connection
from .faults import Faults
from .hosts import ANY, LOOPBACK, Host, Link, Range, normal, port_number
from .server import Place, SimulatedServer
from .sockets import Address
from .topology import current_host
from .transport import SimulatedTransport

if TYPE_CHECKING:
    from ..world import World

Factory = Callable[[], asyncio.BaseProtocol]

_NO_TLS = "The simulated network has no TLS: use plain http://, ws:// and redis:// addresses."
_ATTEMPTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds until an attempt to connect is repeated or, the last time, given up (as Linux does)."""


class Network(Faults):
    """Hosts that know each other by name, and the connections between them.

    A name is known once it has a `host`, a server that listens on it, or code that runs `at` it.
    ``127.0.0.1`` and ``localhost`` are the host itself, as anywhere.
    """

    def __init__(self, world: World, latency: Range = (0.001, 0.050)) -> None:
        super().__init__(world, latency)
        self._servers: list[SimulatedServer] = []
        self._dialled: dict[socket.socket, Connection] = {}

    # -- clients --------------------------------------------------------------------------------

    async def create_connection(
        self,
        protocol_factory: Factory,
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        server_hostname: str | None = None,
        **options: Any,
    ) -> tuple[SimulatedTransport, asyncio.BaseProtocol]:
        """As ``loop.create_connection``. Options that make no difference here are accepted."""
        if server_hostname is not None and not ssl:
            raise ValueError("server_hostname is only meaningful with ssl")
        if sock is not None:
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            connection = self._adopt(sock)
        elif host is None and port is None:
            raise ValueError("host and port was not specified and no sock specified")
        if ssl:
            if sock is not None:
                connection.client.turn_away()
            raise Refused(_NO_TLS)
        if sock is None:
            connection = await self._dial(await self._resolve(host), port_number(port))
        transport = connection.client
        protocol = protocol_factory()
        waiter: asyncio.Future[None] = self._loop.create_future()
        transport.attach(protocol, waiter=waiter)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """As ``loop.sock_connect``: the real socket stays unused and stands for the connection."""
        connection = await self._dial(await self._resolve(address[0]), port_number(address[1]))
        self._dialled[sock] = connection

    def _adopt(self, sock: socket.socket) -> Connection:
        connection = self._dialled.pop(sock, None)
        if connection is None:
            raise Refused(
                "create_connection(sock=…) takes a socket that loop.sock_connect connected in "
                "this world; pass host and port instead."
            )
        sock.close()
        return connection

    async def _dial(self, address: str, port: int) -> Connection:
        """Connect: one round trip, or as many attempts as Linux makes."""
        source = self._host(current_host.get())
        target = source if address == LOOPBACK else self._target(address)
        link = self._link(source, target)
        key = f"{source.name}->{target.name}:{port}"
        key = f"{key}#{link.number(key)}"
        if self.world.tracing:
            self.world.record("send", f"connect to {target.name}:{port}")
        for patience in _ATTEMPTS:
            began = self._loop.now
            if not link.held and not self._befalls("drop", target, port, key):
                await self._wait(self.world.latency(f"{key} syn", link.low, link.high))
                listener = self._answering(target, address, port, key)
                await self._wait(self.world.latency(f"{key} ack", link.low, link.high))
                if not link.held:
                    if listener is None:
                        raise self._refusal(target, address, port)
                    return self._establish(link, key, source, target, (address, port), listener)
            elif self.world.tracing:
                self.world.record("drop", f"connect to {target.name}:{port}: no answer")
            await self._wait(max(0.0, began + patience - self._loop.now))
        raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {(address, port)}")

    def _target(self, address: str) -> Host:
        host = self._by_address.get(address)
        if host is None:
            raise OSError(errno.EHOSTUNREACH, f"No route to host {address!r} in this world")
        return host

    def _answering(self, host: Host, address: str, port: int, key: str) -> SimulatedServer | None:
        listener = host.listener(address, port)
        if listener is None or not listener.accepts():
            return None
        return None if self._befalls("refuse", host, port, key) else listener

    def _refusal(self, host: Host, address: str, port: int) -> ConnectionRefusedError:
        reason = f"{host.name}:{port} refuses connections"
        if host.listener(address, port) is None:
            reason = f"nobody listens on port {port} of {host.name}"
            if port == port_number("https"):
                reason += ", and the simulated network has no TLS"
            others = sorted(bound for bound, taken in host.listeners if taken == port)
            if others:
                reason += f" at {address}, only at {others[0]}"
        if self.world.tracing:
            self.world.record("fault", f"{host.name}:{port} refuses the connection")
        return ConnectionRefusedError(
            errno.ECONNREFUSED, f"Connect call failed {(address, port)}: {reason}"
        )

    def _establish(
        self,
        link: Link,
        key: str,
        source: Host,
        target: Host,
        address: Address,
        listener: SimulatedServer,
    ) -> Connection:
        own = LOOPBACK if address[0] == LOOPBACK else source.address
        connection = Connection(
            self.world,
            link,
            key,
            (source, (own, source.fresh_port())),
            (target, address),
            listener,
            self._connection_gone,
        )
        self._connections[connection] = None
        connection.open(lambda end: self._accept(end, listener, target, address[1], key))
        rule = self._befalls("reset", target, address[1], key)
        if rule is not None:
            connection.reset_after(rule.after)
        rule = self._befalls("half-open", target, address[1], key)
        if rule is not None:
            connection.half_open_after(rule.after)
        return connection

    def _accept(
        self, end: SimulatedTransport, server: SimulatedServer, host: Host, port: int, key: str
    ) -> None:
        if not server.accepts():
            end.turn_away()
        elif not self._befalls("silence", host, port, key):
            server.accept(end)

    def _connection_gone(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    # -- servers --------------------------------------------------------------------------------

    async def create_server(
        self,
        protocol_factory: Factory,
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        start_serving: bool = True,
        **options: Any,
    ) -> SimulatedServer:
        """As ``loop.create_server``. ``host`` may name any host: the server then runs there."""
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        if ssl is not None:
            raise Refused(_NO_TLS)
        if sock is not None:
            raise Refused("A simulated server listens on a host name and port, not on a socket.")
        if host is None and port is None:
            raise ValueError("Neither host/port nor sock were specified")
        several = isinstance(host, Iterable) and not isinstance(host, (str, bytes))
        server = self._bind(protocol_factory, host if several else [host], port)
        if start_serving:
            await server.start_serving()
        return server

    def listen(self, protocol_factory: Factory, host: str, port: int) -> SimulatedServer:
        """As `create_server`, for simulated servers: it serves at once, and nobody has to wait."""
        server = self._bind(protocol_factory, [host], port)
        server.begin()
        return server

    def _bind(self, factory: Factory, hosts: Iterable[Any], port: Any) -> SimulatedServer:
        number = port_number(port)
        places = [self._place(name, number) for name in dict.fromkeys(map(normal, hosts))]
        server = SimulatedServer(self._loop, places, factory)
        self._servers.append(server)
        return server

    def _place(self, name: str, port: int) -> Place:
        host = self._host(name)
        address = name if name in (LOOPBACK, ANY) else host.address
        port = port or host.fresh_port()
        if host.is_taken(address, port):
            raise OSError(
                errno.EADDRINUSE,
                f"error while attempting to bind on address {(address, port)}: "
                f"address already in use",
            )
        context = contextvars.copy_context()
        context.run(current_host.set, host.name)
        return Place(host, address, port, context)

    async def serve_app(self, app: Any, host: str, port: int = 80, **options: Any) -> Any:
        """Serve an ``aiohttp.web.Application`` until the world ends; its runner.

        ``options`` go to ``aiohttp.web.AppRunner``. Nothing is logged unless they say so. To stop
        the server sooner, await the runner's ``cleanup()``.
        """
        from aiohttp import web

        runner = web.AppRunner(app, **{"access_log": None, **options})
        await runner.setup()
        await web.TCPSite(runner, host, port).start()

        async def clean_up() -> None:
            # Without the runner's wait for handlers that are still busy: time would pass, and
            # what the test has left behind would run on meanwhile.
            if runner.server is not None:
                await app.shutdown()
                await app.cleanup()

        self.world.at_end(clean_up)
        return runner

    # -- the end of a process, or of a machine ---------------------------------------------------

    def reboot(self, host: str) -> None:
        """What is started on a host from now on runs on a machine that was switched on just now:
        its monotonic clock (``time.monotonic()``, ``loop.time()``) begins anew.

        The wall clock is right. What still runs there has to be killed before.
        """
        self.host(host).process.ahead = START - self._loop.now

    def bury(self, process: Process) -> None:
        """A process was killed: its sockets are closed, and its host begins another one."""
        for host in self._hosts.values():
            if host.process is process:
                host.process = Process(host.name)
        for server in self._servers:
            if server.belongs_to(process):
                server.close()
        for connection in list(self._connections):
            for end in (connection.client, connection.server):
                if end.belongs_to(process):
                    end.die()

    # -- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """The world is over: close everything without telling anybody."""
        for connection in self._connections:
            connection.forget()
        for server in self._servers:
            server.forget()
        for sock in self._dialled:
            sock.close()
        self._connections.clear()
        self._servers.clear()
        self._dialled.clear()
        for host in self._hosts.values():
            host.listeners.clear()

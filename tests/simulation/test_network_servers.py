"""Servers, names and addresses on the simulated network."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys

import pytest

from autograder.simulation import World

from .networking import Recording, echo, in_world, pair


def test_an_unknown_name_is_not_resolved() -> None:
    """A misspelt host fails as it would in a real resolver, and the message has a suggestion."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, "shop1.example", 80)
        with pytest.raises(socket.gaierror, match=r"did you mean 'shop1\.example'") as caught:
            await asyncio.open_connection("shopp1.example", 80)
        assert caught.value.errno == socket.EAI_NONAME

    in_world(program)


def test_resolving_a_name_takes_its_time() -> None:
    """A host can be slow to resolve; its address is not."""

    async def program(world: World) -> tuple[float, float]:
        world.network.host("shop.example", latency=(0, 0), resolve_delay=5)
        await asyncio.start_server(echo, "shop.example", 80)
        loop = asyncio.get_running_loop()
        [(family, kind, _, _, address)] = await loop.getaddrinfo("shop.example", "http")
        assert (family, kind) == (socket.AF_INET, socket.SOCK_STREAM)
        resolved = world.time()
        _, writer = await asyncio.open_connection(*address)
        writer.close()
        assert await loop.getnameinfo(address) == ("shop.example", "80")
        return resolved, world.time()

    assert in_world(program) == (5.0, 5.0)


def test_a_port_without_a_server_refuses() -> None:
    """Connecting where nobody listens is refused after a round trip, and the message says so."""

    async def program(world: World) -> float:
        world.network.host("shop.example", latency=(0.1, 0.1))
        with pytest.raises(ConnectionRefusedError, match=r"nobody listens on port 81 of shop") as c:
            await asyncio.open_connection("shop.example", 81)
        assert c.value.errno == errno.ECONNREFUSED
        return world.time()

    assert in_world(program) == pytest.approx(0.2)


def test_a_taken_port_cannot_be_taken_again() -> None:
    """Two servers cannot have one port of a host; on two hosts they can, and after a close too."""

    async def program(world: World) -> None:
        first = await asyncio.start_server(echo, "a.example", 80)
        await asyncio.start_server(echo, "b.example", 80)
        with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
            await asyncio.start_server(echo, "a.example", 80)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match="in use"), world.network.at("a.example"):
            await asyncio.start_server(echo, None, 80)
        first.close()
        await asyncio.start_server(echo, "a.example", 80)

    in_world(program)


def test_port_0_is_a_fresh_port() -> None:
    """A server that asks for port 0 gets one that nobody has, the same in every run."""

    async def program(world: World) -> list[int]:
        servers = [await asyncio.start_server(echo, "a.example", 0) for _ in range(3)]
        return [server.sockets[0].getsockname()[1] for server in servers]

    ports = in_world(program, 1)
    assert len(set(ports)) == 3
    assert ports == in_world(program, 2)


def test_localhost_is_the_host_itself() -> None:
    """127.0.0.1 is whichever host the code runs at; a server behind it is not seen from outside."""

    async def program(world: World) -> None:
        with world.network.at("worker-1"):
            await asyncio.start_server(echo, "127.0.0.1", 7)
            _, writer = await asyncio.open_connection("localhost", 7)
            writer.close()
        with pytest.raises(ConnectionRefusedError, match="port 7 of client"):
            await asyncio.open_connection("localhost", 7)
        with pytest.raises(ConnectionRefusedError, match=r"only at 127\.0\.0\.1"):
            await asyncio.open_connection("worker-1", 7)

    in_world(program)


def test_a_server_without_a_host_listens_everywhere() -> None:
    """A server bound to no address is reached by name and by loopback."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, None, 7)
        for name in ("127.0.0.1", "client"):
            _, writer = await asyncio.open_connection(name, 7)
            writer.close()

    in_world(program)


def test_one_server_can_listen_on_several_hosts() -> None:
    """A list of hosts makes one server with a socket for each."""

    async def program(world: World) -> None:
        server = await asyncio.start_server(echo, ["a.example", "b.example"], 7)
        assert len(server.sockets) == 2
        for name in ("a.example", "b.example"):
            _, writer = await asyncio.open_connection(name, 7)
            writer.close()

    in_world(program)


def test_code_runs_as_its_host() -> None:
    """Connections come from the host that at() names, and from a server's handler from its own."""

    async def program(world: World) -> list[tuple[str, int]]:
        network = world.network
        peers: list[str] = []

        async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            address = writer.get_extra_info("peername")
            peers.append((await asyncio.get_running_loop().getnameinfo(address))[0])
            writer.close()

        async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind, other = await asyncio.open_connection("backend", 1)
            await behind.read()
            other.close()
            writer.close()

        await asyncio.start_server(backend, "backend", 1)
        await asyncio.start_server(gateway, "gateway", 1)

        async def visit(name: str) -> None:
            reader, writer = await asyncio.open_connection(name, 1)
            await reader.read()
            writer.close()

        await visit("backend")
        with network.at("worker-1"):
            await visit("backend")
            await visit("gateway")
        await visit("gateway")
        return peers

    assert in_world(program) == ["client", "worker-1", "gateway", "gateway"]


def test_a_server_that_is_closed_keeps_its_connections() -> None:
    """close() stops listening; wait_closed() then waits for the clients, since Python 3.12."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server)
        assert listening.is_serving()
        listening.close()
        assert not listening.is_serving()
        assert listening.sockets == ()
        waiting = asyncio.create_task(listening.wait_closed())
        await asyncio.sleep(1)
        assert waiting.done() == (sys.version_info < (3, 12))
        transport.write(b"still here")
        transport.close()
        await server.lost
        await waiting
        assert server.bytes == b"still here"

    in_world(program)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
def test_a_server_closes_or_aborts_its_clients() -> None:
    """close_clients() and abort_clients() end every accepted connection."""

    async def program(world: World) -> None:
        for end in ("close_clients", "abort_clients"):
            client, server = Recording(), Recording()
            listening, _ = await pair(client, server)
            getattr(listening, end)()
            await client.lost
            assert client.log == ["made", "eof", ("lost", None)]
            listening.close()

    in_world(program)


def test_serve_forever_ends_when_it_is_cancelled() -> None:
    """A bound server refuses until it serves; serve_forever() serves until it is cancelled."""

    async def program(world: World) -> None:
        server = await asyncio.start_server(echo, "a.example", 7, start_serving=False)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("a.example", 7)
        async with server:
            serving = asyncio.create_task(server.serve_forever())
            await asyncio.sleep(1)
            _, writer = await asyncio.open_connection("a.example", 7)
            writer.close()
            with pytest.raises(RuntimeError, match="already being awaited"):
                await server.serve_forever()
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        assert not server.is_serving()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.serve_forever()

    in_world(program)

"""Streams on the simulated network: bytes in order, ends of streams, resets."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import pytest

from autograder.simulation import Refused, World

from .networking import Recording, echo, in_world, pair


@pytest.mark.parametrize("seed", range(5))
def test_bytes_arrive_in_order(seed: int) -> None:
    """Whatever the latencies, what is written first arrives first."""

    async def program(world: World) -> bytes:
        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for number in range(200):
                writer.write(b"%d\n" % number)
                await world.pause(low=0.0, high=0.01)
            writer.close()

        await asyncio.start_server(count, "counter.example", 7)
        reader, writer = await asyncio.open_connection("counter.example", 7)
        received = await reader.read()
        writer.close()
        return received

    assert in_world(program, seed) == b"".join(b"%d\n" % number for number in range(200))


def test_connecting_takes_a_round_trip() -> None:
    """A client is connected after one round trip, and the server hears of it half a trip later."""

    async def program(world: World) -> tuple[float, float]:
        world.network.host("far.example", latency=(0.2, 0.2))
        accepted = asyncio.get_running_loop().create_future()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(world.time())
            writer.close()

        await asyncio.start_server(accept, "far.example", 80)
        _, writer = await asyncio.open_connection("far.example", 80)
        connected = world.time()
        writer.close()
        return connected, await accepted

    assert in_world(program) == pytest.approx((0.4, 0.6))


def test_each_link_has_its_latency() -> None:
    """The slower of two hosts sets the pace of the way between them, unless the way has its own."""

    async def program(world: World) -> list[float]:
        took = []
        world.network.host("near.example", latency=(0.01, 0.01))
        world.network.host("moon", latency=(1.0, 1.0))
        for place in ("near.example", "moon"):
            await asyncio.start_server(echo, place, 7)
        for source, target in (("client", "near.example"), ("moon", "near.example")):
            before = world.time()
            with world.network.at(source):
                _, writer = await asyncio.open_connection(target, 7)
            took.append(round(world.time() - before, 6))
            writer.close()
        world.network.link("client", "moon", latency=(0.5, 0.5))
        before = world.time()
        _, writer = await asyncio.open_connection("moon", 7)
        writer.close()
        return [*took, round(world.time() - before, 6)]

    assert in_world(program) == [0.02, 2.0, 1.0]


def test_writes_that_arrive_together_are_read_together() -> None:
    """TCP keeps no message boundaries: two writes can be one read."""

    async def program(world: World) -> list[object]:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server)
        transport.write(b"one")
        transport.write(b"two")
        transport.close()
        await server.lost
        listening.close()
        return server.log

    assert in_world(program) == ["made", b"onetwo", "eof", ("lost", None)]


def test_a_write_can_arrive_in_two_pieces() -> None:
    """A host that fragments splits writes, except in the calm world; no byte is lost."""

    async def program(world: World) -> list[object]:
        world.network.host("shop.example", fragment=1.0)
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, "shop.example")
        transport.write(b"a message in one write")
        transport.close()
        await server.lost
        listening.close()
        assert server.bytes == b"a message in one write"
        return server.log

    assert len(in_world(program, 0)) == 4
    assert any(len(in_world(program, seed)) == 5 for seed in range(1, 10))


def test_half_close_still_lets_the_answer_through() -> None:
    """After write_eof() the peer sees the end of the stream and can still answer."""

    async def program(world: World) -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            question = await reader.read()
            writer.write(question.upper())
            writer.close()

        await asyncio.start_server(answer, "oracle.example", 1)
        reader, writer = await asyncio.open_connection("oracle.example", 1)
        writer.write(b"why?")
        writer.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            writer.write(b"because")
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return received

    assert in_world(program) == b"WHY?"


def test_close_sends_what_is_buffered() -> None:
    """close() loses no byte, however long the peer takes to read."""

    async def program(world: World) -> int:
        size = asyncio.get_running_loop().create_future()

        async def read_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)
            size.set_result(len(await reader.read()))
            writer.close()

        await asyncio.start_server(read_late, "slow.example", 1)
        _, writer = await asyncio.open_connection("slow.example", 1)
        writer.write(b"x" * 1_000_000)
        writer.close()
        await writer.wait_closed()
        return await size

    assert in_world(program) == 1_000_000


def test_the_end_of_the_stream_comes_after_what_is_buffered() -> None:
    """write_eof() waits its turn behind bytes that the peer has not taken yet."""

    async def program(world: World) -> bytes:
        async def weigh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"%d" % len(await reader.read()))
            writer.close()

        await asyncio.start_server(weigh, "scales.example", 1)
        reader, writer = await asyncio.open_connection("scales.example", 1)
        writer.write(b"x" * 1_000_000)
        writer.write_eof()
        received = await reader.read()
        writer.close()
        return received

    assert in_world(program) == b"1000000"


def test_a_client_cancelled_while_it_connects_hangs_up() -> None:
    """Cancelled when the connection is just made, create_connection() closes it again."""

    async def program(world: World) -> None:
        class Cancelling(Recording):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                connecting.cancel()

        loop = asyncio.get_running_loop()
        client, server = Cancelling(), Recording()
        await loop.create_server(lambda: server, "shop.example", 80)
        connecting = asyncio.ensure_future(
            loop.create_connection(lambda: client, "shop.example", 80)
        )
        await asyncio.wait([connecting])
        assert connecting.cancelled()
        await server.lost
        assert server.log == ["made", "eof", ("lost", None)]

    in_world(program)


def test_writing_to_a_peer_that_is_gone_fails_a_round_trip_later() -> None:
    """The first write after the peer has closed is lost in silence, a later one raises."""

    async def program(world: World) -> list[str]:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        await asyncio.start_server(hang_up, "rude.example", 1)
        reader, writer = await asyncio.open_connection("rude.example", 1)
        assert await reader.read() == b""
        seen = []
        for _ in range(3):
            writer.write(b"still there?")
            try:
                await writer.drain()
                seen.append("ok")
            except ConnectionError as error:
                seen.append(type(error).__name__)
            await asyncio.sleep(1)
        writer.close()
        return seen

    assert in_world(program) == ["ok", "ConnectionResetError", "BrokenPipeError"]


def test_leaving_bytes_unread_resets_the_connection() -> None:
    """A peer that closes with unread bytes resets the connection, as an operating system does."""

    async def program(world: World) -> None:
        async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()
            await asyncio.sleep(1)
            writer.transport.abort()

        await asyncio.start_server(ignore, "deaf.example", 1)
        reader, writer = await asyncio.open_connection("deaf.example", 1)
        writer.write(b"hello")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    in_world(program)


def test_lingering_for_no_time_resets_the_connection() -> None:
    """SO_LINGER with a time of 0 turns close() into a reset."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server)
        option = struct.pack("ii", 1, 0)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == option
        transport.close()
        await server.lost
        listening.close()
        assert client.log == ["made", ("lost", None)]
        assert server.log == ["made", ("lost", "ConnectionResetError")]

    in_world(program)


def test_transports_tell_who_is_who() -> None:
    """Each end knows its own address and its peer's, and has something like a socket."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, "shop.example")
        other = server.transport
        assert transport.get_extra_info("peername") == other.get_extra_info("sockname")
        assert transport.get_extra_info("sockname") == other.get_extra_info("peername")
        assert listening.sockets[0].getsockname() == transport.get_extra_info("peername")
        sock = transport.get_extra_info("socket")
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert sock.getpeername() == transport.get_extra_info("peername")
        assert transport.get_extra_info("cipher", "none") == "none"
        transport.close()
        await server.lost
        listening.close()

    in_world(program)


def test_tls_is_refused_in_one_sentence() -> None:
    """Clients and servers that ask for TLS learn at once that there is none."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, "shop.example", 443)
        with pytest.raises(Refused, match="no TLS"):
            await asyncio.open_connection("shop.example", 443, ssl=True)
        with pytest.raises(Refused, match="no TLS"):
            await asyncio.start_server(echo, "shop.example", 444, ssl=object())  # type: ignore[arg-type]

    in_world(program)


def test_a_protocol_that_fails_loses_its_connection() -> None:
    """An exception in data_received() is reported and ends the connection, as in asyncio."""

    async def program(world: World) -> None:
        class Failing(Recording):
            def data_received(self, data: bytes) -> None:
                raise ZeroDivisionError

        reports: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reports.append(context["message"])
        )
        client, server = Recording(), Failing()
        listening, transport = await pair(client, server)
        transport.write(b"x")
        await client.lost
        listening.close()
        assert server.log == ["made", ("lost", "ZeroDivisionError")]
        assert reports == ["Fatal error: protocol.data_received() call failed."]

    in_world(program)


def test_connections_left_open_do_not_outlive_their_world() -> None:
    """A program may fail with everything open: its world closes without a warning."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, "shop.example", 80)
        _, writer = await asyncio.open_connection("shop.example", 80)
        writer.write(b"x" * 1_000_000)
        raise OSError(errno.EIO, "gives up")

    with pytest.raises(OSError, match="gives up"):
        in_world(program)

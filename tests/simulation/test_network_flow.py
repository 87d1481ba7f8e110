"""Flow control: a peer that does not read makes the writer wait."""

from __future__ import annotations

import asyncio

import pytest

from autograder.simulation import World

from .networking import Recording, in_world, pair

WINDOW = 64 * 1024
MEGABYTE = 1024 * 1024


def test_a_peer_that_does_not_read_pauses_the_writer() -> None:
    """The window fills first, then the writer's buffer, and then the protocol is told to pause."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server)
        server.transport.pause_reading()
        transport.write(b"x" * WINDOW)
        assert transport.get_write_buffer_size() == 0
        transport.write(b"x" * WINDOW)
        assert transport.get_write_buffer_size() == WINDOW
        assert client.log == ["made"]
        transport.write(b"x")
        assert client.log == ["made", "pause"]
        await asyncio.sleep(3600)
        assert client.log == ["made", "pause"]
        assert server.bytes == b""

        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert client.log == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() == 0
        assert server.bytes == b"x" * (2 * WINDOW + 1)
        transport.close()
        await server.lost
        listening.close()

    in_world(program)


@pytest.mark.parametrize("seed", range(3))
def test_drain_waits_for_a_slow_reader(seed: int) -> None:
    """A writer that drains never gets further ahead of its reader than the buffers are deep."""

    async def program(world: World) -> tuple[int, int]:
        ahead = 0
        read = 0
        done = asyncio.get_running_loop().create_future()

        async def read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal read
            while data := await reader.read(16 * 1024):
                read += len(data)
                await asyncio.sleep(0.1)
            writer.close()
            done.set_result(None)

        await asyncio.start_server(read_slowly, "slow.example", 1)
        _, writer = await asyncio.open_connection("slow.example", 1)
        for sent in range(0, MEGABYTE, 8 * 1024):
            writer.write(b"x" * 8 * 1024)
            await writer.drain()
            ahead = max(ahead, sent - read)
        writer.close()
        await done
        return ahead, read

    ahead, read = in_world(program, seed)
    assert read == MEGABYTE
    # What a StreamReader takes in, what is on its way, and what the transport keeps.
    assert 3 * WINDOW <= ahead <= 6 * WINDOW


def test_flow_is_controlled_towards_the_client_too() -> None:
    """A client that stops reading makes the server's drain() wait, and reading lets it go on."""

    async def program(world: World) -> tuple[bool, int]:
        finished = asyncio.Event()

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"x" * MEGABYTE)
            await writer.drain()
            finished.set()
            writer.close()

        await asyncio.start_server(pour, "fountain.example", 1)
        reader, writer = await asyncio.open_connection("fountain.example", 1)
        await asyncio.sleep(600)
        was_finished = finished.is_set()
        size = len(await reader.read())
        writer.close()
        assert finished.is_set()
        return was_finished, size

    assert in_world(program) == (False, MEGABYTE)


def test_a_window_is_sent_each_round_trip() -> None:
    """On a long way the window bounds the throughput: one window of bytes a round trip."""

    async def program(world: World) -> float:
        world.network.host("moon", latency=(1.0, 1.0))
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, "moon")
        before = world.time()
        transport.write(b"x" * (10 * WINDOW))
        transport.close()
        await server.lost
        listening.close()
        assert len(server.bytes) == 10 * WINDOW
        return world.time() - before

    assert in_world(program) == pytest.approx(19.0)


def test_the_writer_sets_its_own_limits() -> None:
    """set_write_buffer_limits() decides when the protocol is paused; wrong limits are refused."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server)
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        server.transport.pause_reading()
        transport.write(b"x" * WINDOW)
        transport.set_write_buffer_limits(high=0)
        transport.write(b"x")
        assert client.log == ["made", "pause"]
        transport.set_write_buffer_limits(low=10)
        assert transport.get_write_buffer_limits() == (10, 40)
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.abort()
        await client.lost
        server.transport.close()
        listening.close()

    in_world(program)


def test_abort_drops_what_is_buffered() -> None:
    """abort() sends no more than what the window had already taken."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server)
        server.transport.pause_reading()
        transport.write(b"x" * MEGABYTE)
        transport.abort()
        await client.lost
        assert client.log == ["made", "pause", ("lost", None)]
        server.transport.resume_reading()
        await server.lost
        assert len(server.bytes) == WINDOW
        assert server.log[-2:] == ["eof", ("lost", None)]
        listening.close()

    in_world(program)


def test_buffered_protocols_are_filled_piece_by_piece() -> None:
    """A BufferedProtocol gets no more at a time than its buffer holds."""

    async def program(world: World) -> list[bytes]:
        class Small(asyncio.BufferedProtocol):
            def __init__(self) -> None:
                self.buffer = bytearray(4)
                self.pieces: list[bytes] = []
                self.lost = asyncio.get_running_loop().create_future()

            def get_buffer(self, sizehint: int) -> bytearray:
                return self.buffer

            def buffer_updated(self, nbytes: int) -> None:
                self.pieces.append(bytes(self.buffer[:nbytes]))

            def connection_lost(self, error: Exception | None) -> None:
                self.lost.set_result(None)

        client, server = Recording(), Small()
        listening, transport = await pair(client, server)
        transport.writelines([b"hello ", b"world"])
        transport.close()
        await server.lost
        listening.close()
        return server.pieces

    assert in_world(program) == [b"hell", b"o wo", b"rld"]

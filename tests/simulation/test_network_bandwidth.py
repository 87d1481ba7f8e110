"""Links that carry so many bytes a second."""

from __future__ import annotations

import asyncio

import pytest

from autograder.simulation import World

from .networking import Recording, in_world, pair

WINDOW = 64 * 1024
KILOBYTE = 1000
MEGABYTE = 1_000_000


async def upload(host: str, size: int, source: str = "client") -> float:
    """Send so many bytes to a new server on ``host``; the seconds until all are there."""
    loop = asyncio.get_running_loop()
    client, server = Recording(), Recording()
    listening, transport = await pair(client, server, host)
    before = loop.time()
    transport.write(b"x" * size)
    transport.close()
    await server.lost
    listening.close()
    assert len(server.bytes) == size
    return loop.time() - before


def test_a_link_carries_so_many_bytes_a_second() -> None:
    """A megabyte over 100 kilobytes a second takes ten seconds, and without a bound hardly any."""

    async def program(world: World) -> tuple[float, float]:
        free = await upload("server", MEGABYTE)
        world.network.link("client", "server", bandwidth=100 * KILOBYTE)
        return free, await upload("server", MEGABYTE)

    free, bounded = in_world(program)
    assert free < 0.1
    assert bounded == pytest.approx(10.0, abs=0.1)


def test_connections_share_a_link() -> None:
    """Ten transfers at once over one link take ten times as long as one, and end together."""

    async def program(world: World) -> list[float]:
        world.network.link("client", "server", bandwidth=100 * KILOBYTE)
        return await asyncio.gather(*(upload("server", MEGABYTE) for _ in range(10)))

    times = in_world(program)
    assert max(times) == pytest.approx(100.0, abs=1)
    assert min(times) > 90.0


def test_directions_do_not_share() -> None:
    """What goes up and what comes down have the bandwidth each for itself."""

    async def program(world: World) -> list[float]:
        world.network.link("client", "server", bandwidth=100 * KILOBYTE)

        async def down() -> float:
            with world.network.at("server"):
                return await upload("client", MEGABYTE)

        return await asyncio.gather(upload("server", MEGABYTE), down())

    assert in_world(program) == pytest.approx([10.0, 10.0], abs=0.1)


def test_links_do_not_share() -> None:
    """A slow way to one host leaves the way to another as it is."""

    async def program(world: World) -> list[float]:
        world.network.link("client", "slow", bandwidth=10 * KILOBYTE)
        return await asyncio.gather(upload("slow", MEGABYTE), upload("quick", MEGABYTE))

    slow, quick = in_world(program)
    assert slow == pytest.approx(100.0, abs=1)
    assert quick < 0.1


def test_the_narrower_of_two_hosts_counts() -> None:
    """A bandwidth given to a host holds for its links; that of the link itself may be less."""

    async def program(world: World) -> list[float]:
        network = world.network
        network.host("client", bandwidth=100 * KILOBYTE)
        network.host("server", bandwidth=50 * KILOBYTE)
        first = await upload("server", MEGABYTE)
        network.link("client", "server", bandwidth=25 * KILOBYTE)
        return [first, await upload("server", MEGABYTE)]

    assert in_world(program) == pytest.approx([20.0, 40.0], abs=0.2)


def test_flow_control_is_as_ever() -> None:
    """A writer is paused when the window and its buffer are full, however narrow the link is."""

    async def program(world: World) -> None:
        world.network.link("client", "server", bandwidth=10 * KILOBYTE)
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, "server")
        server.transport.pause_reading()
        transport.write(b"x" * MEGABYTE)
        assert client.log == ["made", "pause"]
        await asyncio.sleep(3600)
        assert transport.get_write_buffer_size() == MEGABYTE - WINDOW
        before = world.time()
        server.transport.resume_reading()
        transport.close()
        await server.lost
        assert world.time() - before == pytest.approx((MEGABYTE - WINDOW) / 10_000, abs=1)
        assert len(server.bytes) == MEGABYTE
        listening.close()

    in_world(program)


def test_a_small_message_waits_behind_a_large_one() -> None:
    """What was sent first is carried first: another connection's ping waits for a full window."""

    async def program(world: World) -> float:
        world.network.link("client", "server", bandwidth=10 * KILOBYTE)
        busy, quiet = Recording(), Recording()
        listening, large = await pair(Recording(), busy, "server")
        other, small = await pair(Recording(), quiet, "server")
        large.write(b"x" * WINDOW)
        before = world.time()
        small.write(b"ping")
        small.close()
        await quiet.lost
        took = world.time() - before
        large.abort()
        listening.close()
        other.close()
        return took

    assert in_world(program) == pytest.approx(WINDOW / 10_000, abs=0.1)


def test_a_broken_link_queues_anew() -> None:
    """After a cut everything is sent again at the pace of the link, and all of it arrives."""

    async def program(world: World) -> float:
        world.network.link("client", "server", bandwidth=100 * KILOBYTE)
        asyncio.get_running_loop().call_later(2, world.network.cut, "client", "server")
        asyncio.get_running_loop().call_later(5, world.network.mend)
        return await upload("server", MEGABYTE)

    # Ten seconds of work, three of cut, and up to as long again until TCP tries.
    assert 13.0 <= in_world(program) <= 17.0


@pytest.mark.parametrize("bandwidth", [0, -1])
def test_a_link_without_bandwidth_is_refused(bandwidth: float) -> None:
    """Nothing at all is what cut() is for."""

    async def program(world: World) -> None:
        with pytest.raises(ValueError, match="more than 0"):
            world.network.link("client", "server", bandwidth=bandwidth)
        with pytest.raises(ValueError, match="more than 0"):
            world.network.host("server", bandwidth=bandwidth)

    in_world(program)

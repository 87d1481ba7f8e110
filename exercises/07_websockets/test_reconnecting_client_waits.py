"""Grades how reconnecting_client.py waits before it connects again."""

import asyncio
from collections import defaultdict
from statistics import mean

import pytest

from autograder.grading import mistake
from autograder.grading.benches.chat_feed import HOST, PORT, Follower, open_feed
from autograder.simulation import simulate

STEPS = 200_000
SOON = 0.2
"""Seconds until everybody has learned that a connection is broken: a trip takes 0.05."""
TRIP = 0.3
"""Seconds that an attempt itself may take: some trips, and a name looked up."""


class Doorman(asyncio.Protocol):
    """Shuts the door in everybody's face, and notes who came when."""

    def __init__(self, world, came):
        self.world = world
        self.came = came

    def connection_made(self, transport):
        self.came[transport.get_extra_info("peername")[0]].append(self.world.time())
        transport.abort()


async def shut_the_door(world):
    """A server that accepts nobody; when each client came, by its address."""
    came = defaultdict(list)
    with world.network.at(HOST):
        await asyncio.get_running_loop().create_server(lambda: Doorman(world, came), HOST, PORT)
    return came


def follow_from(world, submission, host, **options):
    """A client at work on a host of its own."""
    with world.network.at(host):
        return Follower(world, submission, **options).start()


async def stop(followers):
    for follower in followers:
        follower.task.cancel()
    await asyncio.wait([follower.task for follower in followers], timeout=30)


@pytest.mark.points(3)
@pytest.mark.hint("All of them lost their connection in one moment. When does each come back?")
@simulate(seeds=3, steps=STEPS)
async def test_a_herd_spreads_out(world, submission):
    """Clients that all lose their connection in one moment do not come back in one moment."""
    async with open_feed(world) as feed:
        herd = [follow_from(world, submission, f"client-{n}", base=4.0) for n in range(60)]
        await feed.until(lambda: len(feed.members) == 60, 30)
        assert len(feed.members) == 60, f"60 clients, and {len(feed.members)} connected"
        before, lost = len(feed.attempts), world.time()
        if world.choose(2, "how"):
            what = "A server with 60 clients was restarted, which took 3 s"
            await feed.crash()
            await asyncio.sleep(3)
            await feed.open()
        else:
            what = "A router broke the 60 connections to a server"
            world.network.reset(HOST)
            await asyncio.sleep(SOON)
        await feed.until(lambda: len(feed.members) == 60, 60)
        times = sorted(at - lost for at in feed.attempts[before:])
        busiest, begin = max((sum(t <= at < t + 0.4 for at in times), -t) for t in [0.0, *times])
        assert busiest <= 30, mistake(
            "reconnect-storm",
            f"{what}; base=4.0. {busiest} of them came back within 0.4 s, {-begin:.1f} s after "
            "they had lost their connections. Spread evenly it would be 6.",
        )
        back = len(feed.members)
        assert back == 60, f"{what}. A minute later {back} of 60 clients are back"
        await stop(herd)


@pytest.mark.points(2)
@pytest.mark.hint("Full jitter: anything between nothing and the bound, not a bit around it.")
@simulate(seeds=1, steps=STEPS)
async def test_waits_are_random_and_bounded(world, submission):
    """The n-th wait is anything between 0 and min(cap, base * 2**n), evenly distributed."""
    came = await shut_the_door(world)
    herd = [follow_from(world, submission, f"client-{n}", base=1.0, cap=6.0) for n in range(60)]
    await asyncio.sleep(47)
    ended = [follower.ended() for follower in herd if follower.ended()]
    assert not ended, f"the server broke off every handshake, and {ended[0]}"
    assert len(came) == 60, f"60 clients were started, and {len(came)} tried to connect"
    attempts = min(len(times) for times in came.values())
    assert attempts > 9, (
        "base=1.0, cap=6.0, and the server broke off every handshake: the tenth attempt is due "
        f"after 43 s at the latest. A client tried {attempts} times in 47 s"
    )
    for number, bound in ((0, 1.0), (1, 2.0), (2, 4.0), (3, 6.0), (8, 6.0)):
        waits = [times[number + 1] - times[number] for times in came.values()]
        check_waits(f"base=1.0, cap=6.0, 60 clients, wait {number}", bound, waits)
    at_cap = [times[n + 1] - times[n] for times in came.values() for n in range(3, 9)]
    outer = sum(abs(wait - 3.0) > 1.5 for wait in at_cap)
    assert 0.35 * len(at_cap) < outer < 0.65 * len(at_cap), (
        f"base=1.0, cap=6.0. Evenly distributed, half of the waits at the cap are below 1.5 s or "
        f"above 4.5 s; of {len(at_cap)} it were {outer}"
    )
    await stop(herd)


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_waits_grow_until_the_cap(world, submission):
    """The bound of the waits is doubled each time, until it is the cap, however high that is."""
    came = await shut_the_door(world)
    herd = [follow_from(world, submission, f"client-{n}", base=0.5, cap=1000.0) for n in range(20)]
    for _ in range(103):
        await asyncio.sleep(10)
        most = max(map(len, came.values()), default=0)
        assert most < 60, (
            f"base=0.5, cap=1000.0, and the server broke off every handshake: a client tried {most}"
            f" times in {world.time():.0f} s; with waits that grow it is some ten times"
        )
    ended = [follower.ended() for follower in herd if follower.ended()]
    assert not ended, f"the server broke off every handshake, and {ended[0]}"
    attempts = min((len(times) for times in came.values()), default=0)
    assert attempts > 10, (
        "base=0.5, cap=1000.0: the eleventh attempt is due after 512 s at the latest. A client "
        f"tried {attempts} times in 1030 s"
    )
    shares = [
        (times[n + 1] - times[n]) / (0.5 * 2**n) for times in came.values() for n in range(6, 10)
    ]
    assert 0.3 < mean(shares) < 0.7, (
        "base=0.5, cap=1000.0. On average a wait is half of base * 2**n; of 20 clients the waits "
        f"for n = 6 to 9 were {mean(shares):.2f} of that"
    )
    await stop(herd)


def check_waits(what, bound, waits):
    """These are evenly distributed between 0 and the bound, but for the trips that are in them."""
    longest, shortest, middle = max(waits), min(waits), mean(waits)
    assert longest - shortest > TRIP, mistake(
        "reconnect-storm",
        f"{what}: all of them waited for {shortest:.1f} to {longest:.1f} s. Who is turned away "
        "together comes back together.",
    )
    seen = f"it was {shortest:.2f} to {longest:.2f} s, and {middle:.2f} s on average"
    assert longest <= bound + TRIP, f"{what} is {bound:g} s at most; {seen}"
    assert shortest < bound / 4 + TRIP, f"{what} may be next to nothing; {seen}"
    assert longest > 3 / 4 * bound, f"{what} may be as long as {bound:g} s; {seen}"
    assert 0.3 * bound < middle < 0.7 * bound + TRIP, (
        f"{what} is {bound / 2:g} s on average, if it is evenly distributed; {seen}"
    )


@pytest.mark.points(1)
@simulate(seeds=2, steps=STEPS)
async def test_a_welcome_starts_the_waits_anew(world, submission):
    """After a welcome the waits begin with `base` again, however many attempts had failed."""
    async with open_feed(world) as feed:
        await feed.close()
        herd = [
            follow_from(world, submission, f"client-{n}", base=4.0, cap=500.0) for n in range(10)
        ]
        await asyncio.sleep(600)
        await feed.open()
        await feed.until(lambda: len(feed.members) == 10, 3000)
        assert len(feed.members) == 10, "the server is back, and not all 10 clients are: cap=500.0"
        lost_by_ten = "base=4.0, and ten clients lost their connections"
        before, lost = len(feed.attempts), world.time()
        world.network.reset(HOST)  # the server is there all the time: no second attempt is due
        await asyncio.sleep(SOON)
        await feed.until(lambda: len(feed.members) == 10, 600)
        last = max(feed.attempts[before:], default=world.time()) - lost
        assert len(feed.members) == 10, (
            f"the server is there, and not all clients are: {lost_by_ten}"
        )
        assert last < 4.0 + SOON + TRIP, (
            f"{lost_by_ten}, and one of them came {last:.1f} s after that: a good connection was "
            "lost, and then the first wait is 4 s at most"
        )
        await stop(herd)


@pytest.mark.points(1)
@pytest.mark.hint("Where is n set back: when the connection is there, or when the welcome is?")
@simulate(seeds=2, steps=STEPS)
async def test_a_handshake_alone_is_no_success(world, submission):
    """While a server agrees to speak and then closes without a welcome, the waits go on growing."""
    async with open_feed(world) as feed:
        feed.manners.code = 1011
        follower = follow_from(world, submission, "client-1", base=1.0, cap=1000.0)
        await feed.until(lambda: len(feed.attempts) >= 60 or follower.ended(), 300)
        assert not follower.ended(), f"the server closed with code 1011, and {follower.ended()}"
        assert len(feed.attempts) < 60 or world.time() < 60, (
            f"base=1.0, cap=1000.0, and there was no welcome: a client tried {len(feed.attempts)} "
            f"times in {world.time():.0f} s; with waits that grow it is some ten times"
        )
        assert len(feed.attempts) < 60, mistake(
            "reconnect-storm",
            f"A server accepts every connection and breaks down before its welcome. With base=1.0 "
            f"one client tried 60 times in {world.time():.1f} s; with waits that grow it is some "
            "ten times in 300 s.",
        )
        await stop([follower])


@pytest.mark.points(1)
@pytest.mark.hint("What is 0.5 * 2**1024?")
@simulate(seeds=1, steps=1_000_000)
async def test_a_long_outage_is_outlived(world, submission):
    """After more than a thousand failed attempts it still tries, and comes back."""
    async with open_feed(world, "one") as feed:
        await feed.close()
        follower = follow_from(world, submission, "client-1", base=0.5, cap=0.5)
        await asyncio.wait([follower.task], timeout=320)
        assert not follower.ended(), (
            f"the server refused connections for {world.time():.0f} s, and then {follower.ended()}"
        )
        await feed.open()
        await feed.until(lambda: follower.ids, 60)
        assert follower.ids == [1], f"the server is back, and handled were {follower.ids}"
        await stop([follower])

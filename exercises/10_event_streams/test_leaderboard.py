"""Grades leaderboard.py as a whole, and its worker: on a simulated Redis, with real websockets."""

import asyncio

import pytest

from autograder.grading.benches.leaderboard_scene import (
    GROUP,
    RECOVERED,
    SOON,
    STREAM,
    Scene,
    warm_up,
)
from autograder.simulation import simulate


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first world would import and compile a lot in one step: on a busy machine, a second."""
    warm_up()


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_a_score_gets_to_every_screen(world, submission):
    """A score that is sent to one gateway is on the screens of all gateways within seconds."""
    at = Scene(world, submission)
    at.watch_steps()
    async with at.gateway("east", top=2) as errors, at.gateway("west", top=2):
        workers = [at.worker("worker 1"), at.worker("worker 2")]
        ada = await at.client("ada", watch=True, gateway="east")
        bob = await at.client("bob", watch=True, gateway="west")
        got = await at.within(SOON, lambda: ada.boards and bob.boards)
        assert got, f"somebody said watch, and got no board in a second{errors.why()}"
        first = ada.boards[0][1]
        assert first == {"type": "board", "version": 0, "top": []}, f"the first board is {first}"
        await ada.score("ada", 1, 300)
        await bob.score("bob", 1, 100)
        await bob.score("cem", 1, 200)
        await at.within(5, lambda: ada.seen == bob.seen == {"ada": 300, "cem": 200})
        await ada.score("ada", 2, 50)
        await at.within(5, lambda: ada.seen == bob.seen == {"cem": 200, "bob": 100})
        at.check(*workers)
        assert not ada.odd + bob.odd, f"a gateway said {(ada.odd + bob.odd)[0]}"
        for player, one in (("ada", 1), ("ada", 2)):
            assert (player, one) in ada.answered("taken"), f"the answers to ada: {ada.answers}"
        for client in (ada, bob):
            top = client.boards[-1][1]["top"] if client.boards else None
            assert top == [["cem", 200], ["bob", 100]], (
                f"ada had 300, cem 200, bob 100; then ada fell to 50. top=2, and on the screen of "
                f"{client.name} is {top}{errors.why()}"
            )
        await at.stop(*workers)


@pytest.mark.points(3)
@pytest.mark.hint("GT keeps the highest score. Which one is wanted?")
@simulate(seeds=6)
async def test_the_newest_score_counts(world, submission):
    """Scores that come twice, late, or in another order: the one with the greatest seq counts."""
    at = Scene(world, submission)
    at.watch_steps()
    if world.seed % 2:
        at.add("ada", 9, 40)
        at.add("ada", 8, 90)
    worker = at.worker()
    await at.within(10, lambda: at.stream.groups)
    for seq, score in ((1, 70), (3, 20), (2, 80), (12, 10), (10, 60), (11, 5), (12, 10)):
        at.add("bob", seq, score)
        if world.choose(2, "at once"):
            await world.pause("next score", 0.0, 0.3)
    at.add("cem", 2, 1_000_000_000)
    at.add("cem", 1, 3)
    at.add("dia", 1, -5)
    await at.within(10, lambda: not at.stream.length)
    at.check(worker)
    await asyncio.sleep(1)
    at.assert_not_stale("Scores came late and twice")
    at.assert_one_step()
    at.assert_nothing_lost("Scores came late and twice")
    at.assert_newest("Scores came late and twice")
    at.assert_deleted("Scores came late and twice, 10 s ago")
    await at.stop(worker)


@pytest.mark.points(3)
@pytest.mark.hint("Between reading what is there and writing what is newer: who else may write?")
@simulate(seeds=6)
async def test_two_workers_have_a_player_between_them(world, submission):
    """Two workers that apply scores of one player at the same moment keep the newest."""
    at = Scene(world, submission)
    at.watch_steps()
    at.server.slow(0.0, 0.05)
    workers = [at.worker("worker 1"), at.worker("worker 2")]
    await at.within(10, lambda: at.stream.groups)
    for number in range(16):
        newer, older = world.choose(100, "newer"), 100 + world.choose(100, "older")
        at.add(f"player {number}", 2, newer)
        at.add(f"player {number}", 1, older)
        await asyncio.sleep(0.3)
    await at.within(15, lambda: not at.stream.length)
    await asyncio.sleep(1)
    at.check(*workers)
    at.assert_not_stale("Two workers had one score each of one player")
    at.assert_one_step()
    at.assert_nothing_lost("Two workers had scores of one player")
    at.assert_newest("Two workers had scores of one player")
    at.assert_deleted("Two workers had 32 scores, 15 s ago")
    await at.stop(*workers)


@pytest.mark.points(3)
@pytest.mark.hint("What was pending is old. Is it newer than what has been applied meanwhile?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_nothing_is_lost_or_stale(world, submission):
    """If a worker is killed, at whichever await, its scores are applied, and none beats a newer."""
    at = Scene(world, submission)
    at.watch_steps()
    at.ask("XGROUP", "CREATE", STREAM, GROUP, 0, "MKSTREAM")
    at.add("ada", 1, 30)
    at.add("bob", 4, 60)
    stop = asyncio.Event()

    async def stop_when_quiet():
        await at.server.until(lambda: not at.stream.length)
        stop.set()

    stopping = asyncio.create_task(stop_when_quiet())
    outcome = await world.killed(at.work("worker 1", stop, 6.0), "first")
    stopping.cancel()
    said = "A worker was killed, and another one started" if outcome.fired else "All went well"
    at.add("ada", 2, 70)
    worker = at.worker("worker 1" if world.interruption % 2 else "worker 2", idle=6.0)
    at.add("cem", 1, 5)
    soon = await at.within(13, lambda: not at.stream.length)
    await at.within(30, lambda: soon or not at.stream.length)
    await asyncio.sleep(1)
    at.check(worker)
    at.assert_not_stale(said, killed=True)
    at.assert_one_step()
    at.assert_nothing_lost(said)
    at.assert_deleted(f"{said}. Much later; idle is 6 s")
    at.assert_newest(said)
    assert soon, f"{said}. idle is 6 s, and after 13 s what was pending is not applied"
    await at.stop(worker)


@pytest.mark.points(2)
@pytest.mark.hint("from_url() does not try again by itself. What does your loop do when it raises?")
@simulate(seeds=6)
async def test_a_worker_carries_on(world, submission):
    """If a worker's connection breaks, or Redis is down, at first or later, it carries on."""
    at = Scene(world, submission)
    at.watch_steps()
    kind = world.seed % 3
    if kind == 0:
        at.server.stop()
    worker = at.worker(idle=6.0)
    await asyncio.sleep(8)
    what = ("Redis was down when work began", "Connections broke", "Redis was down")[kind]
    if kind:
        at.add("ada", 1, 10)
        at.server.slow(0.0, 0.3)
        await world.pause("a moment", 0.0, 0.4)
    if kind == 0:
        at.server.start()
    elif kind == 1:
        at.server.disconnect()
    else:
        await at.server.restart(down_for=7)
    at.add("bob", 1, 20)
    soon = await at.within(RECOVERED, lambda: "bob" in at.ranking)
    at.check(worker)
    assert soon, f"{what}; it is up for {RECOVERED} s, and a new score is not applied"
    await at.within(15, lambda: not at.stream.length)
    await asyncio.sleep(1)
    at.assert_one_step()
    at.assert_nothing_lost(what)
    at.assert_deleted(f"{what}, a while ago; idle is 6 s")
    at.assert_newest(what)
    await at.stop(worker)

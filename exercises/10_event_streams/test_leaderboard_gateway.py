"""Grades the gateway of leaderboard.py; the grader does what workers do."""

import asyncio
import itertools

import pytest

from autograder.grading import mistake
from autograder.grading.benches.leaderboard_client import (
    assert_answered_once,
    assert_history,
    best,
    was_before,
)
from autograder.grading.benches.leaderboard_scene import (
    GATEWAY,
    RECOVERED,
    SOON,
    STREAM,
    Scene,
    warm_up,
)
from autograder.simulation import simulate

STEPS = 400_000


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first world would import and compile a lot in one step: on a busy machine, a second."""
    warm_up()


@pytest.mark.points(3)
@pytest.mark.hint("A board that nobody has seen yet need not be sent when there is a newer one.")
@simulate(seeds=2, steps=STEPS)
async def test_so_many_boards_a_second(world, submission):
    """However often the ranking changes, a viewer gets at most `fps` boards a second."""
    at = Scene(world, submission)
    fps = (10, 4)[world.seed % 2]
    async with at.gateway(fps=fps) as errors:
        ada = await at.client("ada", watch=True)
        await at.within(SOON, lambda: ada.boards)
        assert ada.boards, f"somebody said watch, and got no board in a second{errors.why()}"
        before, seconds, changes = len(ada.boards), 4, 400
        for number in range(changes):
            at.change(**{f"player {number % 7}": number})
            await asyncio.sleep(seconds / changes)
        boards = len(ada.boards) - before
        last = at.change(bob=10_000)
        await at.within(SOON, lambda: ada.version == last)
        assert boards < changes / 2, mistake(
            "broadcast-per-score",
            f"The ranking changed {changes} times in {seconds} s, and a viewer got {boards} "
            f"boards; fps is {fps}.",
        )
        most = fps * (seconds + 0.3) + 1
        assert boards <= most, (
            f"in {seconds} s a viewer got {boards} boards; fps is {fps}, so {most:.0f} at most"
        )
        assert boards >= seconds, f"the top changed all the time, and in {seconds} s came {boards}"
        if ada.version != last:
            await asyncio.sleep(RECOVERED)
            seen, live = ada.version, at.change(bob=20_000)
            await at.within(SOON, lambda: ada.version == live)
            assert seen == last or ada.version != live, mistake(
                "drops-the-last-change",
                f"After {changes} changes there was one more, and then nothing. {RECOVERED:g} s "
                f"later a viewer still saw version {seen}; the newest was {last}.",
            )
        assert ada.version >= last, (
            f"the last version is {last}; a second later the viewer sees {ada.version}"
            f"{errors.why()}"
        )
        assert_history(at.history, ada)


@pytest.mark.points(3)
@pytest.mark.hint("Two things are on their way to you by two connections. Which one is newer?")
@simulate(seeds=6, steps=STEPS)
async def test_boards_only_get_newer(world, submission):
    """Whatever overtakes what on its way from Redis, a board is never older than one before."""
    at = Scene(world, submission)
    at.change(**{f"player {number}": 10 * number for number in range(5)})
    world.network.link(GATEWAY, "redis", latency=(0.001, 1.0))
    at.server.slow(0.0, 0.03)  # between two commands that are not one step others have their turn
    async with at.gateway(top=3, fps=20) as errors:
        ada = await at.client("ada", watch=True)
        for number in range(100):
            at.change(**{f"player {world.choose(5, 'who')}": world.choose(1000, "score")})
            await asyncio.sleep(0.04 if number % 25 else 2.0)
        last = at.change(**{"player 1": 5000 + world.choose(9, "last")})
        await at.within(8, lambda: ada.version == last and ada.seen == best(at.history[last], 3))
        versions = [board["version"] for _, board in ada.boards]
        back = next((n for n in range(1, len(versions)) if versions[n] < versions[n - 1]), 0)
        assert not back, mistake(
            "stale-overwrites-new",
            f"A viewer got version {versions[back - 1]}, and after it version {versions[back]}.",
        )
        old = [p for p, s in ada.seen.items() if was_before(at.history, p, s)]
        assert ada.version != last or not old, mistake(
            "stale-overwrites-new",
            f"Nothing has changed for 8 s. {old[0] if old else ''} has "
            f"{at.history[last].get(old[0]) if old else 0}, and on a screen "
            f"{ada.seen[old[0]] if old else 0}, from before.",
        )
        assert ada.version == last, (
            f"8 s after the last change, version {last}, the screen has {ada.version}{errors.why()}"
        )
        assert_history(at.history, ada, 3)


@pytest.mark.points(3)
@pytest.mark.hint("How long does one score take to Redis and back? And sixty, one after the other?")
@simulate(seeds=2, steps=STEPS)
async def test_it_reads_on_while_redis_is_far_away(world, submission):
    """Sixty scores at once are taken in seconds, though Redis is 0.6 seconds there and back."""
    at = Scene(world, submission)
    world.network.link(GATEWAY, "redis", latency=(0.3, 0.3))
    async with at.gateway() as errors:
        ada = await at.client("ada")
        await ada.score("ada", 0, 0)
        await at.within(10, lambda: ada.answers)
        assert ada.answered("taken"), f"one score, and in 10 s it was not taken{errors.why()}"
        for seq in range(1, 61):
            await ada.score("ada", seq, seq)
        await ada.watch()  # behind all of them: who hears it has read on
        await at.within(8, lambda: len(ada.answers) == 61)
        times = [time for time, _ in ada.answers]
        waits = [after - one for one, after in itertools.pairwise(times[1:])]
        one_by_one = len(times) < 61 and len(waits) > 3 and min(waits) > 0.3
        said = (
            f"A player sent 60 scores, and 8 s later {len(times) - 1} of them were answered, one "
            f"every {min(waits, default=0):.1f} s: as long as Redis takes to answer."
        )
        assert not one_by_one or ada.boards, mistake(
            "blocks-the-handler", f"{said} Then she said watch, and the gateway has not heard it."
        )
        assert not one_by_one, mistake("sequential-awaits", said)
        taken = len(ada.answered("taken"))
        assert taken == 61, f"of 61 scores, {taken} are taken after 8 s{errors.why()}"


@pytest.mark.points(3)
@pytest.mark.hint("A bounded queue has put() and put_nowait().")
@simulate(seeds=2, steps=STEPS)
async def test_it_reads_on_while_redis_stands_still(world, submission):
    """While Redis answers nothing, scores for which there is no place are busy, at once."""
    at = Scene(world, submission)
    async with at.gateway(backlog=40) as errors:
        ada = await at.client("ada")
        await ada.score("ada", 0, 0)
        await at.within(3, lambda: ada.answers)
        at.server.freeze()
        for seq in range(1, 301):
            await ada.score("ada", seq, seq)
        await asyncio.sleep(0.5)
        await ada.wire.ping()
        await asyncio.sleep(1)
        busy = len(ada.answered("busy"))
        assert not ada.closed.done(), (
            f"Redis stood still, a player sent 300 scores and was disconnected{errors.why()}"
        )
        if busy < 220:
            assert ada.wire.pongs, mistake(
                "blocks-the-handler",
                f"Redis stood still for 1.5 s, and a player sent 300 scores. {busy} were answered, "
                "and the gateway has stopped reading what the player sends.",
            )
            assert busy, mistake(
                "unbounded-queue",
                "Redis stood still, and a player sent 300 scores. backlog is 40, and none was "
                "answered with busy: they are all kept.",
            )
        assert busy >= 220, (
            f"Redis stood still, backlog is 40, so 80 of 300 scores may be on their way or wait; "
            f"{busy} are busy, and 220 should be{errors.why()}"
        )
        assert busy <= 260, f"backlog is 40, so 40 of 300 scores can wait; {busy} are busy"
        await asyncio.sleep(2)
        at.server.thaw()
        await at.within(RECOVERED + 5, lambda: len(ada.answers) >= 301)
        assert_answered_once(ada, 301, errors.why())
        assert await at.is_taken(ada, "bob"), (
            f"Redis goes on, and a score is not taken{errors.why()}"
        )


@pytest.mark.points(2)
@pytest.mark.hint("Which moment is it at which Redis has it?")
@simulate(seeds=8, steps=STEPS)
async def test_taken_is_in_the_stream(world, submission):
    """`taken` means that it is in the stream; if connections break, each score is answered once."""
    at = Scene(world, submission)
    async with at.gateway() as errors:
        ada = await at.client("ada")
        early, added = [], set()

        def look(answer):
            there = {(f.get("player"), f.get("seq")) for _, f in at.stream.entries}
            added.update(there)
            if answer["type"] == "taken" and (answer["player"], str(answer["seq"])) not in there:
                early.append(answer)

        ada.on_answer = look
        at.server.slow(0.0, 0.1)
        if world.seed:
            when = "before" if world.seed % 2 else "after"
            at.server.cut(**{when: "XADD"}, nth=3 + world.choose(10, "which"), client=GATEWAY)
        for seq in range(1, 21):
            await ada.score("ada", seq, 10 * seq)
            await world.pause("next score", 0.0, 0.1)
            if seq == 15 and world.seed % 4 == 3:
                at.server.stop()
        await asyncio.sleep(3)
        at.server.start()
        await at.within(RECOVERED, lambda: len(ada.answers) >= 20)
        assert not early, mistake(
            "fire-and-forget",
            f"The gateway said taken to seq {early[0]['seq'] if early else 0}, and at that moment "
            "the stream did not have it.",
        )
        assert_answered_once(ada, 20, errors.why())
        busy, broke = ada.answered("busy"), world.seed > 0
        assert broke or not busy, f"nothing broke, and these scores were busy: {busy}"
        entries = [fields for _, fields in at.stream.entries]
        expected = {"player": "ada", "seq": "1", "score": "10"}
        assert expected in entries or ("ada", 1) in busy, (
            f"in {STREAM} there is {entries[:1]}, expected {expected}"
        )
        at.server.faults.cuts.clear()
        assert await at.is_taken(ada, "bob"), f"after that, no score is taken{errors.why()}"


@pytest.mark.points(3)
@pytest.mark.hint("One task that sends to all of them, or one for each?")
@simulate(seeds=2, steps=STEPS)
async def test_who_does_not_read_holds_up_nobody(world, submission):
    """A viewer that does not read boards holds up nobody, and gets the newest when it reads on."""
    at = Scene(world, submission)
    names = [f"{number}" * 1000 for number in range(10)]
    async with at.gateway(fps=10) as errors:
        early = await at.client("early", watch=True)
        deaf = await at.client("deaf", watch=True)
        late = await at.client("late", watch=True)
        await at.within(SOON, lambda: early.boards and deaf.boards and late.boards)
        deaf.wire.stop_reading()
        for number in range(100):
            last = at.change(**{names[number % 10]: number})
            await asyncio.sleep(0.19)
        await at.within(SOON, lambda: early.version == late.version == last)
        for client in (early, late):
            seen = [board["version"] for _, board in client.boards]
            stuck = seen and seen[-1] < last - 15
            assert not (stuck and len(seen) > 2), mistake(
                "slow-client-blocks-all",
                f"Of three viewers one did not read for 19 s. {client.name}, who reads, got boards "
                f"up to version {seen[-1] if seen else 0}; the newest is {last}.",
            )
            assert client.version == last, (
                f"{client.name} reads, and sees version {client.version}; the newest is {last}"
                f"{errors.why()}"
            )
        before = len(deaf.boards)
        assert not deaf.closed.done(), "a viewer did not read for 19 s, and was disconnected"
        deaf.wire.read_on()
        await at.within(SOON, lambda: deaf.version == last or deaf.closed.done())
        kept = len(deaf.boards) - before
        assert not deaf.closed.done(), "a viewer did not read for 19 s, and was disconnected"
        assert kept < 45, mistake(
            "unbounded-client-queue",
            f"A viewer did not read for 19 s. Then it got {kept} boards of 10 KB; the connection "
            "holds about ten of them, and two may wait in the gateway.",
        )
        assert deaf.version == last, (
            f"a viewer reads on, and sees version {deaf.version}; the newest is {last}"
        )


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_who_does_not_read_answers_holds_up_nobody(world, submission):
    """A player that does not read its answers holds up no other player's scores, and no board."""
    at = Scene(world, submission)
    async with at.gateway() as errors:
        ada, deaf = await at.client("ada", watch=True), await at.client("deaf")
        first = at.change(bob=1)
        assert await at.is_taken(ada, "ada"), f"a score is not taken{errors.why()}"
        await at.within(SOON, lambda: ada.version == first)
        assert ada.version == first, f"a change is not on the screen{errors.why()}"
        deaf.wire.stop_reading()
        for seq in range(400):
            await deaf.score("deaf" * 250, seq, seq)
            await asyncio.sleep(0.01)
        await ada.score("ada", 9, 9)
        await at.within(2, lambda: len(ada.answers) > 1)
        last = at.change(bob=3)
        await at.within(SOON, lambda: ada.version == last)
        served = ("ada", 9) in ada.answered("taken") and ada.version == last
        assert served, mistake(
            "slow-client-blocks-all",
            "A player sent 400 scores and read no answer. Of another one's two scores "
            f"{len(ada.answers)} were answered, and her screen has version {ada.version}; the "
            f"newest is {last}{errors.why()}.",
        )


@pytest.mark.points(3)
@simulate(seeds=1, steps=STEPS)
async def test_two_hundred_viewers(world, submission):
    """Two hundred viewers, one of them deaf, see each change, over a handful of connections."""
    at = Scene(world, submission)
    async with at.gateway() as errors:
        crowd = await asyncio.gather(
            *(at.client(f"viewer {n % 20}", watch=True) for n in range(200))
        )
        crowd.pop().wire.stop_reading()
        await at.within(SOON, lambda: all(client.boards for client in crowd))
        connections = at.server.connections
        assert connections <= 50, mistake(
            "connection-per-subscriber",
            f"200 clients watch, and the gateway has {connections} connections to Redis.",
        )
        assert connections <= 10, f"the gateway has {connections} connections to Redis, not 10"
        for number in range(3):
            last = at.change(ada=number)
            await at.within(SOON, lambda: all(c.version == last for c in crowd))  # noqa: B023
            behind = [client for client in crowd if client.version != last]
            assert not behind, (
                f"the version is {last}, and a second later {len(behind)} of 199 viewers do not "
                f"have it{errors.why()}"
            )
        assert at.server.connections <= 10, f"{at.server.connections} connections to Redis, not 10"


@pytest.mark.points(3)
@pytest.mark.hint("What was published while you were away will never come. Where is it?")
@simulate(seeds=6, steps=STEPS)
async def test_what_was_missed_is_made_good(world, submission):
    """If connections to Redis break, or it is down, clients stay, and miss nothing in the end."""
    at = Scene(world, submission)
    at.change(ada=1)
    kind = world.seed % 3
    if kind == 0:
        at.server.stop()
    async with at.gateway(top=3) as errors:
        viewer = await at.client("viewer", watch=True)
        await asyncio.sleep(3)
        what = ("Redis was down at first", "Connections broke", "Redis was down")[kind]
        assert kind == 0 or viewer.seen == {"ada": 1}, f"ada has 1; seen {viewer.seen}"
        if kind == 1:
            at.server.disconnect(GATEWAY)
        elif kind == 2:
            at.server.stop()
        at.change(bob=2)
        if kind == 2:
            await asyncio.sleep(7)
        at.server.start()
        await asyncio.sleep(RECOVERED)
        assert not viewer.closed.done(), f"{what}, and a client was disconnected{errors.why()}"
        made_good = viewer.seen.get("bob") == 2
        later = at.change(cem=3)
        await at.within(SOON, lambda: viewer.version >= later)
        lives = viewer.seen.get("cem") == 3
        assert made_good or not lives, mistake(
            "assumes-delivery",
            f"{what}, and bob's score changed meanwhile. {RECOVERED:g} s later the board did not "
            "show it; it was published when the gateway was not subscribed.",
        )
        assert made_good, f"{what}; {RECOVERED:g} s later the board has not changed{errors.why()}"
        assert lives, f"{what}; after that, changes are not shown any more{errors.why()}"
        assert_history(at.history, viewer, 3)
        taken = await at.is_taken(viewer, "dia")
        assert taken, f"{what}; a score is not taken any more{errors.why()}"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_when_the_block_ends(world, submission):
    """When the block of serve_board ends, clients are told 1001, and nothing is left."""
    at = Scene(world, submission)
    if world.seed % 3 == 2:
        at.server.stop()
    async with at.gateway() as errors:
        ada = await at.client("ada", watch=True)
        at.change(ada=1)
        await asyncio.sleep(2)
        assert world.seed % 3 == 2 or ada.seen == {"ada": 1}, f"seen: {ada.seen}{errors.why()}"
    await asyncio.wait([ada.closed], timeout=5)
    assert ada.wire.close_code == 1001, (
        f"the block ended, and the close code is {ada.wire.close_code}, not 1001"
    )
    await asyncio.sleep(1)
    assert at.server.connections == 0, f"{at.server.connections} connections to Redis are left"

"""Grades stream_worker.py when something breaks or grows old: the worker, its connection, the
server, the stream."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.stream_workers import DEAD, GROUP, STREAM, make_scene, warm_up
from autograder.simulation import simulate

HOUR = 3600.0


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first world would import and compile a lot in one step: on a busy machine, a second."""
    warm_up()


@pytest.mark.points(3)
@pytest.mark.hint("XREADGROUP with > gives what is new. Who asks for the rest?")
@simulate(seeds=2, at_every_await=True)
async def test_killed_anywhere_nothing_is_lost(world, submission):
    """If the worker is killed, at whichever await, another one handles what it has left."""
    at = make_scene(world, submission, idle=6.0)
    await at.make_group()
    await at.publish("ada", "bob")
    stop = asyncio.Event()

    async def stop_when_quiet():
        await at.server.until(at.is_quiet)
        stop.set()

    stopping = asyncio.create_task(stop_when_quiet())
    outcome = await world.killed(at.work("worker 1", stop, "first"), "first", outside=at.outside)
    stopping.cancel()
    name = "worker 2" if world.seed else "worker 1"
    worker = at.start(name, host="second")
    await at.within(60, lambda: len(at.warehouse.packed()) == 2)
    await at.publish("last")
    await at.within(60, lambda: at.warehouse.packed()["last"])
    at.check(worker)
    killed = f"A worker was killed, and another one was started, with the name {name!r}"
    said = killed if outcome.fired else "All went well"
    await at.assert_all_packed("ada", "bob", said=said, last="last")
    await at.until_quiet(60)
    assert at.is_quiet(), f"{said}; all is packed, and still pending: {at.stream.pending(GROUP)}"
    assert not at.dead(), f"{said}. In {DEAD} there is {at.dead()}"
    await at.stop(worker)


@pytest.mark.points(3)
@pytest.mark.hint("Is there a moment at which a poisoned entry is in neither of the two streams?")
@simulate(seeds=2, at_every_await=True)
async def test_killed_anywhere_the_poisoned_is_kept(world, submission):
    """What killed its workers is put aside unhandled, and not lost if one more is killed."""
    at = make_scene(world, submission, idle=6.0, max_deliveries=3)
    await at.make_group()
    await at.publish("poison")
    [entry] = at.stream.ids
    other = await at.client("dead")
    name = "dead" if world.seed else "worker 1"
    await other.xreadgroup(GROUP, name, {STREAM: ">"})
    await other.xclaim(STREAM, GROUP, name, 0, [entry], idle=90_000, retrycount=5)
    await other.aclose()
    stop = asyncio.Event()

    async def stop_when_quiet():
        await at.server.until(at.is_quiet)
        stop.set()

    stopping = asyncio.create_task(stop_when_quiet())
    outcome = await world.killed(at.work("worker 1", stop, "first"), "first", outside=at.outside)
    stopping.cancel()
    said = "A worker was killed, and another one was started" if outcome.fired else "All went well"
    worker = at.start("worker 2", host="second")
    await at.within(60, lambda: at.is_quiet() or at.warehouse.calls)
    at.check(worker)
    assert not at.warehouse.calls, mistake(
        "endless-redelivery",
        "An entry had been delivered 5 times, to workers that died of it; max_deliveries is 3. "
        "The worker handed it to handle once more.",
    )
    assert at.is_quiet(), f"{said}. The entry is not put aside: {at.stream.pending(GROUP)}"
    assert at.dead(), mistake(
        "commits-early", f"{said}. The entry is acknowledged, and in {DEAD} there is nothing."
    )
    expected = {"order": "poison", "entry": entry}
    assert expected in at.dead(), f"in {DEAD} there is {at.dead()}; expected {expected}"
    await at.stop(worker)


@pytest.mark.points(2)
@pytest.mark.hint("Two workers see that an entry is idle. Who makes sure that one of them gets it?")
@simulate(seeds=6)
async def test_one_of_the_living_takes_over(world, submission):
    """Two workers that see a dead one's entries at the same moment do not both take them."""
    at = make_scene(world, submission, idle=30.0, seconds=10.0)
    await at.make_group()
    await at.publish("ada", "bob", "cem")
    other = await at.client("dead")
    await other.xreadgroup(GROUP, "dead", {STREAM: ">"})
    await other.aclose()
    at.server.slow(0.05, 2.0)
    at.server.slow(1.0, 3.0, command="XCLAIM")
    workers = [at.start("worker 1"), at.start("worker 2")]
    await at.until_quiet(300)
    at.check(*workers)
    at.assert_undisturbed("A third worker had died, and both saw its entries")
    assert len(at.warehouse.packed()) == 3, f"a dead worker had 3 orders: {at.warehouse.packed()}"
    await at.stop(*workers)


@pytest.mark.points(2)
@pytest.mark.hint("from_url() does not try again by itself. What does your loop do when it raises?")
@simulate(seeds=12)
async def test_it_carries_on_when_a_connection_breaks(world, submission):
    """If connections break around any command, or all at once, the worker carries on."""
    at = make_scene(world, submission, idle=15.0, seconds=1.0)
    worker = at.start()
    await at.within(30, lambda: at.stream.groups)
    what = ("XREADGROUP", "XACK", "EVERYTHING", "XCLAIM")[world.seed % 4]
    when = ("before", "after")[world.seed // 4 % 2]
    if what != "EVERYTHING":
        at.server.cut(**{when: what}, client="worker", nth=1 + world.seed // 8)
        if what == "XCLAIM":
            at.server.cut(**{when: "XAUTOCLAIM"}, client="worker")
    await at.publish("ada", "bob")
    await asyncio.sleep(0.5)
    if what == "EVERYTHING":
        at.server.disconnect()
    await asyncio.sleep(10)
    await at.publish("cem")
    await at.within(200, lambda: len(at.warehouse.packed()) == 3)
    await at.publish("last")
    await at.within(60, lambda: at.warehouse.packed()["last"])
    at.check(worker)
    said = f"The connection broke {when} {what}" if what != "EVERYTHING" else "Connections broke"
    await at.assert_all_packed("ada", "bob", "cem", said=said, last="last")
    await at.until_quiet(90)
    assert at.is_quiet(), f"{said}; all is packed, and still pending: {at.stream.pending(GROUP)}"
    await at.stop(worker)


@pytest.mark.points(2)
@pytest.mark.hint("What becomes of the task that shows that you live, if its command raises?")
@simulate(seeds=2)
async def test_it_holds_what_it_has_when_a_connection_breaks(world, submission):
    """If connections break while handlers are at work, nobody else begins with the same."""
    at = make_scene(world, submission, idle=40.0, seconds=130.0)
    workers = [at.start("worker 1")]
    await at.within(60, lambda: at.stream.groups)
    await at.publish("ada", "bob")
    await at.within(20, lambda: at.warehouse.at_work)
    workers.append(at.start("worker 2"))
    await world.pause("a while", 5.0, 20.0)
    if world.seed % 2:
        said = "Connections broke, once"
        at.server.disconnect()
    else:
        said = "The server was down for 8 s"
        await at.server.restart(down_for=8)
    await at.within(600, lambda: len(at.warehouse.packed()) == 2 or at.warehouse.twice)
    at.check(*workers)
    for first, second in at.warehouse.twice[:1]:
        raise AssertionError(
            mistake(
                "claims-from-the-living",
                f"{said}. {first.worker} had begun with {first.order} at {first.time:.0f} s, and "
                f"was still at work on it when {second.worker} began with it, too, at "
                f"{second.time:.0f} s; idle is 40 s.",
            )
        )
    packed = at.warehouse.packed()
    assert len(packed) == 2, f"{said}. Of two orders, these are packed: {list(packed)}"
    await at.until_quiet(120)
    await at.stop(*workers, seconds=300)


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_it_waits_for_a_server_that_is_down(world, submission):
    """If the server is down, at the beginning or later, the worker carries on when it is back."""
    at = make_scene(world, submission, idle=60.0, seconds=1.0)
    await at.make_group()
    at_first = world.seed % 2 == 0
    if at_first:
        at.server.stop()
    worker = at.start()
    await asyncio.sleep(20)
    if at_first:
        at.check_alive(worker, "the server was down when work began")
        at.server.start()
    else:
        await at.publish("ada", "bob")
        await asyncio.sleep(0.5)
        await at.server.restart(down_for=5 + 20 * (world.seed // 2 % 2))
        at.check_alive(worker, "the server was down for a while")
    await at.publish("last")
    soon = await at.within(13, lambda: at.warehouse.packed()["last"])
    at.check_alive(worker, "the server was down for a while")
    assert soon, "the server is up again, and 13 s later a new order is not packed"
    if not at_first:
        await at.within(200, lambda: len(at.warehouse.packed()) == 3)
        await at.assert_all_packed(
            "ada", "bob", said="The server was down for a while", last="last"
        )
    await at.until_quiet(200)
    await at.stop(worker)


@pytest.mark.points(2)
@pytest.mark.hint("XTRIM MINID removes what has a smaller id.")
@simulate(seeds=2)
async def test_what_is_done_and_old_is_removed(world, submission):
    """What is acknowledged and older than `retention` is removed, and nothing younger is."""
    at = make_scene(world, submission, seconds=0.0, retention=HOUR)
    old, young = [f"old {n}" for n in range(215)], [f"young {n}" for n in range(110)]
    await at.make_group()
    await at.publish(*old[:110], age=2 * HOUR)
    worker = at.start()
    await at.until_quiet(600)
    await asyncio.sleep(40)
    await at.publish(*old[110:], age=1.5 * HOUR)
    await at.publish(*young, age=HOUR / 2)
    await at.until_quiet(600)
    await asyncio.sleep(80)
    at.check(worker)
    await at.stop(worker)
    assert at.is_quiet(), f"of 325 orders, {len(at.warehouse.packed())} are packed"
    orders = {fields["order"] for _, fields in at.stream.entries}
    assert set(young) <= orders, (
        f"retention is an hour, and of 110 orders that are half an hour old "
        f"{len(orders & set(young))} are in the stream"
    )
    left = len(orders & set(old))
    assert left < 215, mistake(
        "grows-for-ever",
        "215 orders are packed and older than `retention`, and all of them are in the stream.",
    )
    assert left <= 100, (
        f"215 orders are packed and older than `retention`; {left} of them are in the stream, "
        "and a hundred may be"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Old is not done: how far has the group read, and what is the first pending id?")
@simulate(seeds=2)
async def test_a_backlog_is_not_trimmed(world, submission):
    """What is not acknowledged is never removed: a backlog that is older than `retention`."""
    at = make_scene(
        world,
        submission,
        idle=15.0,
        retention=HOUR,
        # As text, the id of order 2 or 9 is greater than that of the last, 129.
        seconds=lambda order: 40.0 if order in ("order 2", "order 9", "order 11") else 0.1,
    )
    orders = [f"order {number}" for number in range(130)]
    await at.make_group()
    await at.publish(*orders, age=48 * HOUR)
    worker = at.start()
    await at.within(1500, lambda: len(at.warehouse.packed()) == 130 or at.lost)
    at.check(worker)
    at.assert_nothing_lost("Nobody had worked for two days, and retention is an hour.")
    await at.until_quiet(60)
    await at.stop(worker)
    assert len(at.warehouse.packed()) == 130, f"of 130 orders: {len(at.warehouse.packed())} packed"


@pytest.mark.points(2)
@pytest.mark.hint("You look twice, and somebody reads in between. In which order do you look?")
@simulate(seeds=2)
async def test_what_others_begin_is_not_trimmed(world, submission):
    """What another worker reads while this one looks what may go, is not removed either."""
    at = make_scene(world, submission, retention=HOUR, idle=60.0)
    at.server.slow(0.5, command="XPENDING")
    at.server.slow(0.5, command="XINFO")
    at.server.slow(0.5, command="XTRIM")
    await at.make_group()
    rival = await at.client("rival")
    base, rounds, holding, reading = at.milliseconds() - round(48 * HOUR * 1000), 0, False, set()

    async def add_and_read():
        nonlocal rounds, holding
        holding, rounds = True, rounds + 1
        ids = [f"{base + rounds}-{number}" for number in range(120)]
        async with rival.pipeline(transaction=True) as both:
            for entry in ids:
                both.xadd(STREAM, {"order": f"order {entry}"}, id=entry)
            both.xreadgroup(GROUP, "rival", {STREAM: ">"})
            await both.execute()
        # Every other time it is still at work when the worker looks again.
        await asyncio.sleep(5.0 if rounds % 2 else 45.0)
        await rival.xack(STREAM, GROUP, *ids)
        holding = False

    def when_somebody_looks(one):
        looks = one.client == "worker" and one.name in ("XPENDING", "XINFO", "EVAL", "EXEC")
        if looks and not holding and rounds < 4:
            reading.add(asyncio.create_task(add_and_read()))

    worker = at.start()
    await asyncio.sleep(1)
    at.server.on_command(when_somebody_looks)
    await at.within(300, lambda: rounds >= 4 or at.lost)
    await asyncio.gather(*reading)
    await rival.aclose()
    at.check(worker)
    at.assert_nothing_lost("Another worker had just begun with it.")
    await asyncio.sleep(1)
    await at.stop(worker, seconds=120)

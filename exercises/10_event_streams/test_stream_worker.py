"""Grades stream_worker.py on a simulated Redis; what happens when something breaks is in
test_stream_worker_faults.py."""

import asyncio
import itertools

import pytest

from autograder.grading import mistake
from autograder.grading.benches.stream_workers import GROUP, STREAM, make_scene, warm_up
from autograder.simulation import simulate


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first world would import and compile a lot in one step: on a busy machine, a second."""
    warm_up()


@pytest.mark.points(2)
@pytest.mark.hint("XGROUP CREATE takes an id: where does the group begin to read?")
@simulate(seeds=3)
async def test_every_entry_is_handled(world, submission):
    """Every entry is handled and acknowledged: those that were there before the group, too."""
    at = make_scene(world, submission)
    if world.seed != 1:
        await at.publish("ada", "bob")
    worker = at.start()
    await at.within(60, lambda: at.stream.groups)
    await asyncio.sleep(5)
    await at.publish("cem", "dia")
    await at.within(300, lambda: at.warehouse.packed()["dia"])
    await at.until_quiet(120)
    at.check(worker)
    await at.stop(worker)
    packed = at.warehouse.packed()
    assert {"cem", "dia"} <= set(packed), f"of two new orders, these were packed: {list(packed)}"
    if world.seed != 1:
        assert packed["ada"] or packed["bob"], mistake(
            "starts-at-the-end",
            "Two orders had come before the group was created, and two after that. The worker "
            f"packed {sorted(packed)}.",
        )
        assert len(packed) == 4, f"of two orders before the group: {list(packed)}"
    assert at.is_quiet(), f"all is packed, and pending are still {at.stream.pending(GROUP)}"
    assert not at.dead(), f"all is packed, and in the stream of the dead there is {at.dead()}"


@pytest.mark.points(2)
@pytest.mark.hint("At which moment may Redis forget that you have this entry?")
@simulate(seeds=3)
async def test_it_acknowledges_after_the_work(world, submission):
    """An entry stays pending until its handler has returned."""
    at = make_scene(world, submission, seconds=5.0)
    early = []

    def look(entry):
        if entry not in {row.id for row in at.stream.pending(GROUP)}:
            early.append(at.stream.entry(entry))

    at.warehouse.before_effect = look
    worker = at.start()
    await at.publish("ada", "bob", "cem")
    await at.within(300, lambda: len(at.warehouse.packed()) == 3)
    await at.until_quiet(120)
    at.check(worker)
    await at.stop(worker)
    assert not early, mistake(
        "commits-early",
        f"While its handler was at work, {early[0]} was not pending any more. Had the worker been "
        "killed then, nobody would ever pack it.",
    )
    assert len(at.warehouse.packed()) == 3, f"of three orders: {list(at.warehouse.packed())}"


@pytest.mark.points(3)
@pytest.mark.hint("What tells the others, every few seconds, that an entry is being worked on?")
@simulate(seeds=6)
async def test_nobody_takes_what_the_living_have(world, submission):
    """However long handlers take, each entry is handled once as long as nobody dies."""
    at = make_scene(world, submission, idle=20.0, seconds=lambda order: 70.0)
    workers = [at.start("worker 1")]
    await at.within(60, lambda: at.stream.groups)
    if world.seed % 2:
        workers.append(at.start("worker 2"))
    orders = [f"order {number}" for number in range(1 + 2 * (world.seed % 3))]
    await at.publish(*orders)
    await asyncio.sleep(30)
    if not world.seed % 2:
        workers.append(at.start("worker 2"))
    await at.until_quiet(1500)
    at.check(*workers)
    at.assert_undisturbed("A handler takes 70 s, and idle is 20 s")
    await at.stop(*workers, seconds=300)
    packed = at.warehouse.packed()
    assert len(packed) == len(orders), f"of {len(orders)} orders, these are packed: {list(packed)}"


@pytest.mark.points(3)
@pytest.mark.hint("XPENDING and XCLAIM both take a time: pass `idle`, in milliseconds.")
@simulate(seeds=3)
async def test_the_dead_are_told_from_the_living(world, submission):
    """Somebody else's entry is taken when it has been idle for `idle` seconds, and no sooner."""
    at = make_scene(world, submission, idle=60.0)
    await at.make_group()
    await at.publish("abandoned", "held")
    other = await at.client("somebody")
    begun = world.time()
    await other.xreadgroup(GROUP, "somebody", {STREAM: ">"}, count=2)
    _, held = at.stream.ids
    worker = at.start()
    last = begun
    for _ in range(10 + world.seed % 3):  # whoever looks too seldom has just looked, in one of them
        await asyncio.sleep(20)
        if not at.warehouse.called("held"):
            await other.xclaim(STREAM, GROUP, "somebody", 0, [held], justid=True)
            last = world.time()
    called = {order: at.warehouse.called(order) for order in ("abandoned", "held")}
    at.check(worker)
    assert not called["held"], mistake(
        "claims-from-the-living",
        "Somebody else had an entry, and showed with an XCLAIM every 20 s that it was alive. The "
        f"worker took it {called['held'][0].time - begun:.0f} s after it was delivered, though "
        "it was never idle for 60 s.",
    )
    assert called["abandoned"], mistake(
        "pending-never-read",
        f"An entry was delivered to somebody else, who died. {world.time() - begun:.0f} s later "
        "nobody has taken it over; idle is 60 s.",
    )
    waited = called["abandoned"][0].time - begun
    assert waited >= 59.9, mistake(
        "claims-from-the-living",
        f"An entry that somebody else was working on was taken after {waited:.0f} s; idle is 60 s.",
    )
    assert waited <= 130, f"an entry was idle after 60 s, and taken over after {waited:.0f} s"
    await at.within(140, lambda: at.warehouse.called("held"))
    taken = at.warehouse.called("held")
    await other.aclose()
    assert taken, (
        f"an entry was idle for {world.time() - last:.0f} s, and nobody took it; idle is 60 s"
    )
    waited = taken[0].time - last
    assert 59.9 <= waited <= 130, (
        f"an entry was idle after 60 s, and taken over after {waited:.0f} s"
    )
    await at.until_quiet(120)
    await at.stop(worker)


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_a_failed_entry_is_tried_again(world, submission):
    """If handle raises, the entry is handled again once it is idle; others do not wait for it."""
    at = make_scene(
        world, submission, idle=30.0, fails=lambda order, nth: order == "ada" and nth < 3
    )
    worker = at.start()
    await at.publish("ada", "bob", "cem")
    fast = await at.within(20, lambda: len(at.warehouse.packed()) == 2)
    await at.within(300, lambda: at.warehouse.packed()["ada"])
    await at.until_quiet(120)
    at.check(worker)
    await at.stop(worker)
    assert fast, "one of three entries failed, and the other two were not packed within 20 s"
    times = [call.time for call in at.warehouse.called("ada")]
    assert at.warehouse.packed()["ada"], (
        f"handle raised twice for an order, and it was never packed; called at {times} s; "
        f"dead: {at.dead()}"
    )
    assert len(times) == 3, f"handle raised twice, and was called at {times} s"
    for before, after in itertools.pairwise(times):
        assert 29.8 <= after - before <= 80, (
            f"handle raised, and was called again {after - before:.1f} s later; idle is 30 s, and "
            "within another 30 s it is to be handled"
        )


@pytest.mark.points(3)
@pytest.mark.hint("XPENDING says how often an entry was delivered.")
@simulate(seeds=3)
async def test_a_poisoned_entry_is_put_aside(world, submission):
    """After `max_deliveries` failures the entry is in the stream of the dead, with its id."""
    most = 1 + world.seed % 3
    at = make_scene(
        world,
        submission,
        idle=10.0,
        fails=lambda order, nth: order == "poison",
        max_deliveries=most,
    )
    worker = at.start()
    await at.publish("ada", "poison", "bob")
    await at.within(120 * most, at.dead)
    await asyncio.sleep(60)
    at.check(worker)
    calls = len(at.warehouse.called("poison"))
    assert at.dead() or calls < most + 3, mistake(
        "endless-redelivery",
        f"handle raises whenever it sees this order, max_deliveries is {most}, and it was called "
        f"{calls} times. Nothing ever ends that.",
    )
    await at.stop(worker)
    assert at.dead(), f"after {calls} failures of {most} there is nothing in {STREAM}:dead"
    poison = next(entry for entry, fields in at.stream.entries if fields["order"] == "poison")
    expected = {"order": "poison", "entry": poison}
    assert at.dead() == [expected], f"in {STREAM}:dead there is {at.dead()}, expected {[expected]}"
    assert calls == most, f"max_deliveries is {most}, and handle was called {calls} times"
    assert at.is_quiet(), f"it is put aside, and still pending: {at.stream.pending(GROUP)}"
    packed = at.warehouse.packed()
    assert set(packed) == {"ada", "bob"}, f"beside a poisoned order, these are packed: {packed}"


@pytest.mark.points(2)
@pytest.mark.hint("Does what you do to keep an entry count as a delivery? XCLAIM has JUSTID.")
@simulate(seeds=1)
async def test_a_long_handler_is_no_poison(world, submission):
    """An entry whose handler took long and failed once is handled again, not put aside."""
    at = make_scene(
        world,
        submission,
        idle=60.0,
        seconds=lambda order: 400.0,
        fails=lambda order, nth: nth == 1,
        max_deliveries=3,
    )
    worker = at.start()
    await at.publish("ada")
    await at.within(1100, lambda: at.warehouse.packed()["ada"] or at.dead() or at.is_over())
    at.check(worker)
    calls = len(at.warehouse.called("ada"))
    assert not at.dead(), mistake(
        "buried-alive",
        f"An order went to {STREAM}:dead after {calls} call of handle; max_deliveries is 3. Its "
        "handler had been at work for 400 s, with idle at 60 s.",
    )
    assert at.warehouse.packed()["ada"], f"an order failed once and was never packed: {calls} calls"
    await at.until_quiet(60)
    await at.stop(worker)


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_what_has_begun_is_finished(world, submission):
    """When stop is set, what has begun is finished, nothing else begins, and nobody takes it."""
    at = make_scene(world, submission, idle=20.0, seconds=90.0)
    worker = at.start("worker 1")
    await at.publish(*(f"order {number}" for number in range(15)))
    await at.within(60, lambda: at.warehouse.at_work)
    await asyncio.sleep(2 + world.seed % 3)
    begun = {call.entry for call in at.warehouse.calls}
    worker.stop.set()
    other = at.start("worker 2")
    await asyncio.wait([worker.task], timeout=150)
    after = {c.entry for c in at.warehouse.calls if c.worker == "worker 1"} - begun
    assert not after, f"stop was set, and after that handle was called for {len(after)} orders"
    taken = [c for c in at.warehouse.calls if c.entry in begun and c.worker == "worker 2"]
    assert worker.task.done(), mistake(
        "never-stops",
        "stop was set, handlers take 90 s, and after 150 s the worker has not returned.",
    )
    at.check(worker, other)
    assert all(at.warehouse.has(entry) for entry in begun), mistake(
        "drops-in-flight",
        f"stop was set while {len(begun)} handlers were at work, and not all came to their end.",
    )
    assert not taken, mistake(
        "claims-from-the-living",
        f"stop was set while handlers were at work that take 90 s. {len(taken)} of these orders "
        "were taken by another worker meanwhile: idle is 20 s.",
    )
    left = {row.id for row in at.stream.pending(GROUP)} & begun
    assert not left, f"the worker finished {len(begun)} orders, and {len(left)} are still pending"
    await at.until_quiet(3000)
    packed = at.warehouse.packed()
    assert len(packed) == 15, f"of 15 orders, {len(packed)} are packed in the end"
    await at.stop(other)


@pytest.mark.points(2)
@pytest.mark.hint("A reply may be on its way when stop is set. What do you do with it?")
@simulate(seeds=2)
async def test_what_comes_after_stop_is_left(world, submission):
    """What is read or claimed at the moment at which stop is set, is left to others."""
    at = make_scene(world, submission, idle=20.0)
    await at.make_group()
    what = ("XREADGROUP", "XCLAIM")[world.seed % 2]
    begun = set()
    if what == "XCLAIM":
        await at.publish("ada")
        async with await at.client("dead") as dead:
            await dead.xreadgroup(GROUP, "dead", {STREAM: ">"})
    worker = at.start("worker 1")

    def when_it_is_given(one):
        given = [row for row in at.stream.pending(GROUP) if row.consumer == "worker 1"]
        if one.client == "worker 1" and given and not worker.stop.is_set():
            begun.update(call.entry for call in at.warehouse.calls)
            worker.stop.set()

    at.server.on_command(when_it_is_given)
    await asyncio.sleep(3)
    if what == "XREADGROUP":
        await at.publish("ada")
    await at.within(60, worker.stop.is_set)
    await asyncio.sleep(30)
    at.check(worker)
    called = [call for call in at.warehouse.calls if call.entry not in begun]
    assert not called, (
        "stop was set; the reply that gave the worker an order was still on its way, and when it "
        f"came, handle was called for {called[0].order}"
    )
    await at.stop(worker)
    other = at.start("worker 2")
    await at.within(60, lambda: at.warehouse.packed()["ada"])
    packed = at.warehouse.packed()
    await at.until_quiet(20)
    await at.stop(other)
    assert packed["ada"], "stop was set before an order had begun, and no other worker packed it"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_it_stops_when_there_is_nothing_to_do(world, submission):
    """When stop is set, a worker that waits returns within ten seconds, and has hung up."""
    at = make_scene(world, submission)
    worker = at.start()
    if world.seed % 2:
        await at.publish("ada")
    await at.within(60, lambda: at.stream.groups)
    await asyncio.sleep(40)
    at.check(worker)
    await at.stop(worker, seconds=10.5)
    await asyncio.sleep(1)
    assert not at.server.connections, (
        f"the worker has returned, and {at.server.connections} connections are open"
    )

"""Many worlds, the smallest failing one, and the token that shows it again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.simulation import (
    Plan,
    Settings,
    Token,
    World,
    WorldFailed,
    current_settings,
    explore,
    read_token,
    replay,
    run_world,
    simulate,
    use_settings,
)
from autograder.simulation.dice import Dice

from .corpus import CASES
from .helpers import find


async def slow_reply(world: World) -> None:
    """Fails where the one trip that matters is much slower than usual; draws much else."""
    for _ in range(20):
        await world.pause("something else")
    began = world.time()
    await world.pause("the trip that matters")
    assert world.time() - began < 0.040, "too slow"


# -- shrinking ------------------------------------------------------------------------------------


def test_shrinking_keeps_only_the_draws_that_matter() -> None:
    """All other trips take their least time in the world that is shown."""
    finding = find(slow_reply, seeds=1000)
    token = read_token(finding.token)
    assert token.seed > 0
    assert token.kept is not None
    assert len(token.kept) == 1
    assert finding.time == pytest.approx(20 * 0.001 + 0.045, abs=0.006)
    assert str(finding.error).startswith("too slow")


def test_shrinking_stops_at_its_share_of_time() -> None:
    """Without any time the world is shown as it was found."""
    finding = find(slow_reply, seeds=1000, settings=Settings(budget=0.0))
    assert read_token(finding.token).kept is None


def test_shrinking_keeps_the_same_failure() -> None:
    """A world that fails otherwise is another failure, however small."""

    async def program(world: World) -> None:
        quick = world.latency("trip") < 0.03
        assert world.seed == 0 or not quick, "[quick] this is another failure"
        assert world.seed == 0 or quick, "[slow] this is the one that was found"

    for base in range(1, 40):
        finding = find(program, seeds=1, base=base)
        again = replay(program, finding.token)
        assert again is not None
        first = run_world(program, base).error
        assert str(finding.error).split("]")[0] == str(first).split("]")[0]


def test_the_calm_world_needs_no_shrinking() -> None:
    """What fails without any chance fails in world 1 of all, with token 0."""

    async def program(world: World) -> None:
        raise ValueError("always")

    finding = find(program, seeds=10)
    assert (finding.token, finding.world, finding.worlds) == ("0", 1, 10)


# -- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("7", Token(7)),
        (" 7 ", Token(7)),
        ("7-c4", Token(7, frozenset({0xC4}))),
        ("7-x", Token(7, frozenset())),
        ("7-00ff", Token(7, frozenset({0, 255}))),
        ("7@3", Token(7, None, 3)),
        ("s7", Token(7, None, 0, True)),
        ("s7@3-c41f", Token(7, frozenset({0xC4, 0x1F}), 3, True)),
    ],
)
def test_a_token_is_read_as_it_is_written(text: str, token: Token) -> None:
    """Every part of a token survives the round trip."""
    assert read_token(text) == token
    assert read_token(str(token)) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-1",
        "7-",
        "7-c",
        "7-zz",
        "7-C4",
        "7@",
        "7@x",
        "q7",
        "7 8",
        "7-c4-c4",
        "0x7",
        "\uff17",
    ],
)
def test_anything_else_is_no_token(text: str) -> None:
    """A malformed token is refused with a sentence that shows what one looks like."""
    with pytest.raises(ValueError, match="is no replay token: it looks like 7 or 7-c4"):
        read_token(text)
    with pytest.raises(ValueError, match="is no replay token"):
        explore(slow_reply, settings=Settings(replay=text))


REPLAY = """
import sys
sys.path.insert(0, sys.argv[1])
from corpus import CASES
from autograder.simulation import Plan, replay

for name, token in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
    case = next(case for case in CASES if case.name == name)
    finding = replay(case.program(False), token, Plan(**case.options))
    shown = [finding.events, finding.problems, finding.time, finding.output]
    print(repr([*shown, str(finding.error)]))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_a_token_replays_exactly_in_another_process(hash_seed: str) -> None:
    """The same events, step by step, whatever PYTHONHASHSEED."""
    cases = [
        case for case in CASES if case.name in ("lost_update", "crossed_locks", "handled_twice")
    ]
    cases += [case for case in CASES if case.name in ("leaked_connection", "late_configuration")]
    findings = [find(case.program(False), seeds=1000, **case.options) for case in cases]
    arguments = [
        part
        for case, finding in zip(cases, findings, strict=True)
        for part in (case.name, finding.token)
    ]
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, str(folder), *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(folder.parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    for finding, line in zip(findings, done.stdout.splitlines(), strict=True):
        shown = [finding.events, finding.problems, finding.time, finding.output]
        assert line == repr([*shown, str(finding.error)])


def test_sets_of_tasks_are_walked_in_the_same_order_every_time() -> None:
    """asyncio keeps tasks in sets; the order in which they come out is part of the world."""

    async def program(world: World) -> list[int]:
        order = []

        async def work(number: int) -> None:
            try:
                await world.pause(high=10)
            except asyncio.CancelledError:
                order.append(number)
                raise

        tasks = {asyncio.create_task(work(number)) for number in range(30)}
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return order

    ballast = []
    for seed in range(10):
        results = set()
        for _ in range(5):
            ballast.append(bytearray(1000 * (seed + 1)))
            results.add(tuple(run_world(program, seed).result))
        assert len(results) == 1


def test_the_same_world_is_the_same_whatever_ran_before() -> None:
    """Neither earlier worlds nor garbage of the process leave a trace in the events."""

    async def program(world: World) -> None:
        async def work(number: int) -> None:
            cycle: list[Any] = [number]
            cycle.append(cycle)
            for _ in range(5):
                await world.pause()

        await asyncio.gather(*(work(number) for number in range(20)))

    first = run_world(program, 11, trace=True).events
    explore(slow_reply, seeds=50)
    assert run_world(program, 11, trace=True).events == first


def test_tracing_changes_nothing_in_a_world() -> None:
    """A world takes the same steps and times whether anybody watches or not."""
    for case in CASES:
        for seed in range(5):
            plan = Plan(shuffle=not case.possible, lateness=case.options.get("lateness", 0.0))
            quiet = run_world(case.program(True), seed, plan=plan)
            watched = run_world(case.program(True), seed, plan=plan, trace=True)
            assert (quiet.steps, quiet.time) == (watched.steps, watched.time)


# -- settings -------------------------------------------------------------------------------------


def test_settings_apply_to_every_exploration_in_their_block() -> None:
    """The number of worlds is taken from them, and nothing outlives the block."""
    worlds = 0

    async def program(world: World) -> None:
        nonlocal worlds
        worlds += 1

    with use_settings(Settings(worlds=7)):
        assert explore(program, seeds=100) is None
    assert worlds == 7
    assert current_settings().worlds is None


def test_settings_can_ask_for_one_world_only() -> None:
    """With a token every exploration runs that world, and passes if it does."""
    finding = find(slow_reply, seeds=1000)
    with use_settings(Settings(replay=finding.token)):
        again = explore(slow_reply, seeds=1)
        assert again is not None
        assert again.events == finding.events
        assert again.token == finding.token
    with use_settings(Settings(replay="0")):
        assert explore(slow_reply, seeds=1000) is None


def test_a_plan_chooses_its_worlds() -> None:
    """seeds and base say which; the first of base 0 is the calm one."""
    seeds = []

    async def program(world: World) -> None:
        seeds.append(world.seed)

    explore(program, seeds=3)
    explore(program, seeds=3, base=40)
    assert seeds == [0, 1, 2, 40, 41, 42]


def test_with_at_every_await_a_seed_counts_as_one_world() -> None:
    async def program(world: World) -> None:
        interrupted = await world.interrupted(asyncio.sleep(1, "slept"))
        assert world.seed != 1 or not interrupted.fired

    finding = explore(program, seeds=3, at_every_await=True)
    assert finding is not None
    assert (finding.world, finding.worlds) == (2, 3)
    again = replay(program, finding.token, Plan(seeds=3, at_every_await=True))
    assert again is not None
    assert (again.world, again.worlds) == (1, 1)


def test_a_world_that_cannot_be_shown_again_says_so() -> None:
    """A program that depends on something outside of its world is not believed to be fixed."""
    runs = 0

    async def program(world: World) -> None:
        nonlocal runs
        runs += 1
        assert runs > 1, "only the first time"

    finding = explore(program, seeds=10)
    assert finding is not None
    assert finding.lost == "the same world ran differently the second time"
    assert "only the first time" in str(finding.error)


# -- @simulate ------------------------------------------------------------------------------------


class Counter:
    """Something with a state, as a loaded submission has."""

    def __init__(self) -> None:
        self.count = 0

    def renew(self) -> Counter:
        return Counter()


def test_a_decorated_test_takes_fixtures_and_no_world() -> None:
    """pytest sees the parameters after the first, and a plain function."""
    import inspect

    @simulate(seeds=5, until=60.0)
    async def test(world: World, counter: Counter, other: str = "x") -> None:
        """What is required."""

    assert list(inspect.signature(test).parameters) == ["counter", "other"]
    assert not inspect.iscoroutinefunction(test)
    assert test.__doc__ == "What is required."
    assert test.__simulate__ == Plan(seeds=5, until=60.0)  # type: ignore[attr-defined]


def test_arguments_are_renewed_for_every_world() -> None:
    """No world sees what an earlier one left behind."""

    @simulate(seeds=5)
    async def test(world: World, counter: Counter) -> None:
        counter.count += 1
        assert counter.count == 1

    counter = Counter()
    test(counter=counter)
    assert counter.count == 0


def test_a_failing_decorated_test_carries_its_finding() -> None:
    """The error is an AssertionError that says what, where and how to replay it."""

    @simulate(seeds=1000)
    async def test(world: World) -> None:
        await slow_reply(world)

    with pytest.raises(WorldFailed, match="too slow") as caught:
        test()
    assert isinstance(caught.value, AssertionError)
    assert caught.value.finding.token in str(caught.value)
    assert caught.value.__cause__ is caught.value.finding.error


def test_a_plain_function_cannot_be_simulated() -> None:
    """Forgetting 'async' is told when the test is defined."""
    with pytest.raises(TypeError, match="must be 'async def'"):

        @simulate(seeds=1)
        def test(world: World) -> None: ...  # type: ignore[arg-type]


# -- draws ----------------------------------------------------------------------------------------


def test_draws_are_the_same_on_every_machine() -> None:
    """Tokens are passed between people, so these numbers may never change."""
    dice = Dice(7)
    assert [round(dice.draw("link"), 6) for _ in range(3)] == [0.289849, 0.406546, 0.185621]
    assert Dice(8).draw("link") != Dice(7).draw("link")
    assert Dice(7).draw("link 2") != Dice(7).draw("link")

"""Inside a world every clock shows virtual time, however it was imported; outside none does."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import json
import pickle
import time
from datetime import datetime as moment
from time import monotonic
from time import time_ns as nanoseconds
from typing import Any

import aiosqlite
import pytest

from autograder.simulation import World, run_world

from .networking import echo

CLOCKS = {
    "time.time": lambda: time.time(),
    "time.time_ns": lambda: time.time_ns() / 1e9,
    "time.monotonic": lambda: time.monotonic(),
    "time.monotonic_ns": lambda: time.monotonic_ns() / 1e9,
    "time.perf_counter": lambda: time.perf_counter(),
    "time.perf_counter_ns": lambda: time.perf_counter_ns() / 1e9,
    "from time import monotonic": lambda: monotonic(),
    "from time import time_ns as": lambda: nanoseconds() / 1e9,
    "datetime.datetime.now": lambda: datetime.datetime.now().timestamp(),
    "datetime.now(UTC)": lambda: moment.now(datetime.UTC).timestamp(),
    "datetime.utcnow": lambda: moment.utcnow().timestamp(),
    "datetime.today": lambda: moment.today().timestamp(),
    "time.gmtime": lambda: float(time.gmtime().tm_sec + 60 * time.gmtime().tm_min),
    "time.localtime": lambda: float(time.localtime().tm_sec + 60 * time.localtime().tm_min),
    "loop.time": lambda: asyncio.get_running_loop().time(),
}


def run(program: Any) -> Any:
    outcome = run_world(program)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.problems == []
    return outcome.result


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("clock", CLOCKS, ids=str)
def test_a_clock_moves_with_the_world(clock: str) -> None:
    """It stands still while code runs, and a sleep moves it by just that much."""
    read = CLOCKS[clock]

    async def program(world: World) -> tuple[float, float]:
        began = read()
        sum(range(10_000))
        stood = read() - began
        await asyncio.sleep(90)
        return stood, read() - began

    stood, moved = run(program)
    assert stood == 0
    assert moved == pytest.approx(90, abs=1e-3)


def test_a_clock_shows_the_same_in_every_run() -> None:
    """The date a world begins at is part of the world."""

    async def program(world: World) -> tuple[object, ...]:
        return (
            time.time(),
            time.monotonic(),
            datetime.datetime.now(datetime.UTC),
            time.strftime("%Y-%m-%d"),
            time.ctime(),
        )

    first = run(program)
    assert first == run(program)
    assert first[2].isoformat() == "2026-01-01T00:00:00+00:00"
    assert first[3] == time.strftime("%Y-%m-%d", time.localtime(first[0]))


def test_clocks_are_real_again_after_the_worlds() -> None:
    """Also those that a module bound by name, and those that a world handed out."""
    real = time.monotonic, time.time, time.sleep, datetime.datetime

    async def program(world: World) -> Any:
        await asyncio.sleep(80_000)
        return time.monotonic

    handed_out = run(program)
    assert (time.monotonic, time.time, time.sleep, datetime.datetime) == real
    assert monotonic() == pytest.approx(time.monotonic(), abs=60)
    assert handed_out() == pytest.approx(time.monotonic(), abs=60)
    assert moment.now().timestamp() == pytest.approx(time.time(), abs=60)


def test_clocks_are_real_again_after_a_failure() -> None:
    """A failing test leaves nothing behind either."""
    real = time.monotonic, time.sleep, datetime.datetime

    async def program(world: World) -> None:
        raise LookupError

    assert isinstance(run_world(program).error, LookupError)
    assert (time.monotonic, time.sleep, datetime.datetime) == real


OUTSIDE = datetime.datetime(2020, 2, 29, 12, 30, tzinfo=datetime.UTC)


class Stamp(datetime.datetime):
    """A subclass made before any world."""


def test_datetimes_are_of_one_class_inside_and_outside() -> None:
    """isinstance, subclasses and equality work across the border, either way."""

    async def program(world: World) -> Any:
        now = moment.now(datetime.UTC)
        assert isinstance(OUTSIDE, datetime.datetime)
        assert isinstance(OUTSIDE, moment)
        assert isinstance(now, datetime.datetime)
        assert isinstance(now, datetime.date)
        assert not isinstance(datetime.date(2020, 1, 1), datetime.datetime)
        assert not isinstance("2020", datetime.datetime)
        assert issubclass(datetime.datetime, datetime.date)
        assert issubclass(Stamp, datetime.datetime)
        assert isinstance(Stamp(2020, 1, 1), datetime.datetime)
        assert type(now) is type(OUTSIDE)
        assert now > OUTSIDE
        assert now - OUTSIDE > datetime.timedelta(days=365)
        return now

    now = run(program)
    assert type(now) is datetime.datetime
    assert isinstance(now, moment)


def test_a_subclass_can_be_made_inside_a_world() -> None:
    """A class statement that derives from datetime works as always."""

    async def program(world: World) -> Any:
        class Local(datetime.datetime):
            def label(self) -> str:
                return self.strftime("%H:%M")

        local = Local(2020, 1, 1, 8, 5)
        assert isinstance(local, Local)
        assert isinstance(local, datetime.datetime)
        assert local.label() == "08:05"
        assert isinstance(Local.now(), Local)
        return Local.now().year

    assert run(program) == 2026


def test_every_way_to_make_a_datetime_works_inside() -> None:
    """Constructor, parsers, arithmetic and copies give what they give outside."""

    def make() -> list[Any]:
        epoch = datetime.datetime.fromtimestamp(0, datetime.UTC)
        day = datetime.datetime.combine(datetime.date(2020, 1, 1), datetime.time(8))
        return [
            datetime.datetime(2020, 1, 1, 8, fold=1),
            datetime.datetime.strptime("2020-01-01 08:00", "%Y-%m-%d %H:%M"),
            datetime.datetime.fromisoformat("2020-01-01T08:00:00+02:00"),
            datetime.datetime.min,
            datetime.datetime.max,
            datetime.datetime.resolution,
            epoch,
            day,
            day.replace(hour=9),
            day + datetime.timedelta(hours=1),
            day.astimezone(datetime.UTC),
            copy.deepcopy(day),
            json.dumps(day, default=datetime.datetime.isoformat),
        ]

    async def program(world: World) -> list[Any]:
        return make()

    inside, outside = run(program), make()
    assert inside == outside
    assert [type(value) for value in inside] == [type(value) for value in outside]


def test_datetimes_travel_through_pickle() -> None:
    """Pickled inside and read outside, and the other way round."""

    async def program(world: World) -> tuple[Any, Any]:
        assert pickle.loads(pickle.dumps(OUTSIDE)) == OUTSIDE
        return pickle.loads(before), pickle.dumps([OUTSIDE, moment.now(datetime.UTC)])

    before = pickle.dumps(OUTSIDE)
    read, written = run(program)
    assert read == OUTSIDE
    first, second = pickle.loads(written)
    assert first == OUTSIDE
    assert second.year == 2026
    assert type(second) is datetime.datetime
    assert pickle.dumps(OUTSIDE) == before
    assert b"autograder" not in before


def test_a_dataclass_with_a_datetime_can_be_made_inside() -> None:
    """Annotations and default factories see the class they expect."""
    from dataclasses import dataclass, field

    async def program(world: World) -> Any:
        @dataclass
        class Order:
            at: datetime.datetime = field(default_factory=datetime.datetime.now)

        order = Order()
        match order.at:
            case datetime.datetime(year=year):
                return year
            case _:
                return None

    assert run(program) == 2026


def test_no_wait_is_too_short_to_move_the_clock() -> None:
    """Who sleeps for what rounding has left over, and looks again, finds that time has passed."""

    async def program(world: World) -> float:
        began = time.monotonic()
        for _ in range(10):
            await asyncio.sleep(1e-14)
        return time.monotonic() - began

    assert 0 < run(program) < 1e-7


def test_a_machine_that_was_switched_on_just_now() -> None:
    """Its monotonic clock begins anew, by which its own timers go; all else is as it was."""

    async def waits(done: list[str]) -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time(), time.time()
        loop.call_at(loop.time() + 5, done.append, "call_at")
        loop.call_later(6, done.append, "call_later")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.Event().wait()
        done.append("timeout")
        async with aiosqlite.connect(":memory:") as db:
            await db.execute("SELECT 1")
        reader, writer = await asyncio.open_connection("server", 80)
        writer.write(b"hello\n")
        done.append((await reader.readline()).decode().strip())
        writer.close()
        assert 7 < time.monotonic() - began[0] < 8
        assert time.time() - began[1] == pytest.approx(loop.time() - began[0], abs=1e-3)
        return began

    async def program(world: World) -> Any:
        with world.network.at("server"):
            await asyncio.start_server(echo, "0.0.0.0", 80)
        done: list[list[str]] = [[], []]
        await asyncio.sleep(300)
        with world.network.at("old"):
            old = asyncio.create_task(waits(done[0]))
        world.network.reboot("new")
        with world.network.at("new"):
            new = asyncio.create_task(waits(done[1]))
        return await old, await new, done, time.monotonic()

    old, new, done, later = run(program)
    first = run(lambda world: _monotonic_now())
    assert old[0] == first + 300
    assert new[0] == first
    assert old[1] == pytest.approx(new[1], abs=1e-3)
    assert done == [["call_at", "call_later", "timeout", "hello"]] * 2
    assert first + 307 < later < first + 308


async def _monotonic_now() -> float:
    return time.monotonic()

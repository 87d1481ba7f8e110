"""What a timeline shows of a world, as text and as data; the picture is in test_svg.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.simulation import Timeline
from autograder.simulation.events import Event
from autograder.simulation.printable import columns

SHOP = """\
class Shop:
    async def buy(self, who):
        left = 0
        if self.stock > 0:
            await self.charge(who)
            self.stock -= 1
            self.sold.append(who)
        return left

    async def fill(self):
        self.stock += await self.order()
        return self.stock

    async def idle(self):
        left = await self.order()
        left -= 1
"""

Play = Callable[..., list[Event]]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Makes events of ``(time, lane, what, ...)``: line numbers of the shop, or kind and text."""
    file = tmp_path / "shop.py"
    file.write_text(SHOP)
    source = SHOP.splitlines()

    def events(*scenes: tuple[object, ...]) -> Iterator[Event]:
        for step, (time, lane, *things) in enumerate(scenes):
            assert isinstance(time, float)
            assert isinstance(lane, str)
            for thing in things:
                if isinstance(thing, int):
                    text = source[thing - 1].strip()
                    yield Event(time, step, lane, "line", text, str(file), thing)
                else:
                    assert isinstance(thing, tuple)
                    kind, text, *key = thing
                    yield Event(time, step, lane, kind, text, key=key[0] if key else "")

    return lambda *scenes: list(events(*scenes))


def race(play: Play, before: int = 0) -> list[Event]:
    """Two buyers and one item, after ``before`` steps of somebody else."""
    charge = ("wait", "self.charge(who)", "call")
    return play(
        *((0.0, "clock", 15, ("wait", "self.order()", "call")) for _ in range(before)),
        (0.0, "ada", 3, 4, 5, charge),
        (0.0, "bob", 3, 4, 5, charge),
        (0.012, "ada", 6, 7, 8, ("end", "0")),
        (0.094, "bob", 6, 7, 8, ("end", "0")),
    )


def squeezed(text: str) -> list[str]:
    """The rows of a timeline, each run of spaces as one."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_race_is_told_by_the_rows_that_make_it(play: Play) -> None:
    """Decision, await and act of both tasks are shown in order, and little else."""
    assert squeezed(Timeline(race(play)).text()) == [
        "time ada bob",
        "0.000 s 4 if self.stock > 0:",
        "5 await self.charge(who)",
        "· 4 if self.stock > 0:",
        "· 5 await self.charge(who)",
        "0.012 s 6 self.stock -= 1 ·",
        "0.094 s 6 self.stock -= 1",
        "lines of shop.py",
    ]


def test_lines_keep_their_indentation(play: Play) -> None:
    """The body of an `if` stands further in than the `if`."""
    lines = Timeline(race(play)).text().splitlines()
    assert lines[2].index("await") == lines[1].index("if") + 4


def test_a_race_is_found_among_thousands_of_rows(play: Play) -> None:
    """Two thousand rows of a bystander do not hide the race, nor make the text longer."""
    text = Timeline(race(play, before=2_000)).text(rows=12)
    assert "6      self.stock -= 1" in text
    assert "4  if self.stock > 0:" in text
    assert len(text.splitlines()) <= 14
    assert "not shown: clock" in text


def test_the_core_of_a_race_survives_in_three_rows(play: Play) -> None:
    """With little room what was decided, overwritten and done is still shown."""
    assert squeezed(Timeline(race(play)).text(rows=3))[1:4] == [
        "0.000 s · 4 if self.stock > 0:",
        "0.012 s 6 self.stock -= 1 ·",
        "0.094 s 6 self.stock -= 1",
    ]


def test_a_task_that_looks_again_before_it_acts_is_no_race(play: Play) -> None:
    """Where each task checks after its await, nothing points at a gap: all rows are equal."""
    wait = ("wait", "self.charge(who)", "call")
    events = play(
        (0.0, "ada", 5, wait),
        (0.0, "bob", 5, wait),
        (0.1, "ada", 4, 6, ("end", "")),
        (0.2, "bob", 4, 6, ("end", "")),
    )
    assert "done" in Timeline(events).text()


def test_locals_of_the_same_name_are_not_shared(play: Play) -> None:
    """Two tasks that each count in a variable of their own touch nothing in common."""
    events = play(
        (0.0, "ada", 15, ("wait", "self.order()", "call")),
        (0.0, "bob", 15, ("wait", "self.order()", "call")),
        (0.1, "ada", 16, ("end", "")),
        (0.2, "bob", 16, ("end", "")),
    )
    assert squeezed(Timeline(events).text())[3:7] == [
        "0.100 s 16 left -= 1 ·",
        "done ·",
        "0.200 s 16 left -= 1",
        "done",
    ]


def test_an_assignment_that_awaits_is_shown_in_two_halves(play: Play) -> None:
    """`stock += await f()` reads before and writes after its await: the write has its own row."""
    order = ("wait", "self.order()", "call")
    events = play(
        (0.0, "ada", 11, order),
        (0.0, "bob", 11, order),
        (0.1, "ada", 12, ("end", "3")),
        (0.2, "bob", 12, ("end", "3")),
    )
    rows = squeezed(Timeline(events).text())
    assert "0.100 s 11 ↳ self.stock += await self.order() ·" in rows
    assert "0.200 s 11 ↳ self.stock += await self.order()" in rows


def test_a_cache_that_is_filled_twice_shows_both_looks(tmp_path: Path) -> None:
    """`cache[key] = await fetch()` does not look at the cache: the `if` before it does."""
    file = tmp_path / "cached.py"
    file.write_text("CACHE = {}\nasync def f(key):\n    if key not in CACHE:\n"
                    "        CACHE[key] = await fetch()\n    return CACHE[key]\n")  # fmt: skip
    lines = ["", *(line.strip() for line in file.read_text().splitlines())]
    scenes = [(0.0, "ada", 3), (0.0, "ada", 4), (0.1, "bob", 3), (0.1, "bob", 4)]
    scenes += [(0.2, "bob", 5), (0.3, "ada", 5)]
    events = []
    for step, (time, lane, line) in enumerate(scenes):
        events.append(Event(time, step // 2 * 2, lane, "line", lines[line], str(file), line))
        if line == 4:
            events.append(Event(time, step // 2 * 2, lane, "wait", "fetch()", key="call"))
    assert [row.replace(" ·", "").replace("· ", "") for row in squeezed(Timeline(events).text())][
        1:7
    ] == [
        "0.000 s 3 if key not in CACHE:",
        "4 CACHE[key] = await fetch()",
        "0.100 s 3 if key not in CACHE:",
        "4 CACHE[key] = await fetch()",
        "0.200 s 4 ↳ CACHE[key] = await fetch()",
        "0.300 s 4 ↳ CACHE[key] = await fetch()",
    ]


def test_a_dot_marks_a_task_that_waits(play: Play) -> None:
    """A task has a dot between its first and its last row, and nothing before and after."""
    rows = Timeline(race(play)).text().splitlines()
    assert [("·" in row) for row in rows[1:7]] == [False, False, True, True, True, False]


def test_a_repeated_time_is_said_once(play: Play) -> None:
    """Only the first row of a moment names its time."""
    assert Timeline(race(play)).text().count("0.000 s") == 1


def test_whoever_still_waits_at_the_end_is_said_to(play: Play) -> None:
    """Of a deadlock the last rows say who waits for what."""
    events = play(
        (0.0, "ada", 4, 5, ("wait", "lock b", "lock")),
        (0.0, "bob", 4, 5, ("wait", "lock a", "lock")),
    )
    rows = squeezed(Timeline(events).text())
    assert rows[-3:-1] == ["still waits for lock b ·", "· still waits for lock a"]


def test_what_befalls_a_task_has_rows_of_its_own(play: Play) -> None:
    """Messages, faults, cancellations, notes and exceptions read as sentences."""
    events = play(
        (0.0, "ada", 5, ("send", "orders: 1", "orders 1"), ("wait", "self.charge(who)", "call")),
        (0.1, "", ("drop", "orders lost 1", "orders 1"), ("fault", "bank could not be reached")),
        (0.2, "", ("deliver", "orders: 2", "orders 2"), ("note", "the shop opens")),
        (0.3, "ada", ("cancel", "bob")),
        (0.4, "ada", ("cancel", "")),
        (0.5, "ada", 6, ("raise", "ValueError('x')")),
    )
    text = Timeline(events).text()
    for said in (
        "→ orders: 1",
        "✗ lost: orders lost 1",
        "↯ bank could not be reached",
        "← orders: 2",
        "note: the shop opens",
        "↯ cancelled by bob",
        "↯ is cancelled",
        "✗ raises ValueError('x')",
    ):
        assert said in text


def test_what_is_left_out_is_counted(play: Play) -> None:
    """A long stretch that is not shown says how many rows it had."""
    events = play(*((n / 10, "ada", 4, 5, ("wait", "x", "call")) for n in range(50)))
    text = Timeline(events).text(rows=10)
    assert "… 92 rows …" in text
    assert len(text.splitlines()) == 12


def test_of_a_calculation_only_the_end_is_shown(play: Play) -> None:
    """Where thousands of lines run and hardly any waits, a sentence stands for all but the last."""
    events = play(*((0.0, "ada", 3 + n % 3) for n in range(3_000)))
    _, sentence, *last, _ = Timeline(events).text(rows=24).splitlines()
    assert sentence.strip() == "… 2,995 lines of pure computing, and then these: …"
    assert len(last) == 5


def test_at_most_three_tasks_have_a_column(play: Play) -> None:
    """With more tasks than that, the text names those it leaves out."""
    events = play(*((0.0, f"task {n}", 5, ("wait", "x", "call")) for n in range(9)))
    header, *_, footer = squeezed(Timeline(events).text())
    assert header == "time task 6 task 7 task 8"
    assert footer == "lines of shop.py; not shown: task 0, task 1, task 2 and 3 more"


def test_a_narrow_page_has_two_columns(play: Play) -> None:
    """Where three tasks would be cut to nothing, two are shown, whole."""
    events = play(*((0.0, f"task {n}", 5, ("wait", "x", "call")) for n in range(9)))
    assert squeezed(Timeline(events).text(width=75))[0] == "time task 7 task 8"


def test_focus_chooses_the_tasks(play: Play) -> None:
    """The tasks asked for get the columns, whatever else happened."""
    events = race(play, before=5)
    assert squeezed(Timeline(events, focus=["clock"]).text())[0] == "time clock"


def test_lines_of_another_file_carry_its_name(play: Play, tmp_path: Path) -> None:
    """Line numbers are those of one file; a line from elsewhere says from where."""
    other = Event(0.2, 99, "ada", "line", "log(who)", str(tmp_path / "log.py"), 3)
    assert "3  log.py: log(who)" in Timeline([*play((0.0, "ada", 4, 5)), other]).text()


@pytest.mark.parametrize("width", [40, 60, 100])
def test_no_line_is_wider_than_asked(play: Play, width: int) -> None:
    """Long source, long names and wide letters are cut to fit, and say so."""
    events = play(
        (0.0, "ada " * 50, 5, ("note", "漢字" * 500)),
        (0.1, "bob", 5, ("raise", "ValueError(" + "e\u0301\u0301" * 500 + ")")),
        (0.2, "", ("fault", "x" * 10_000)),
    )
    text = Timeline(events).text(width=width)
    assert max(columns(line) for line in text.splitlines()) <= width
    assert len(text) < 6 * width * len(text.splitlines())
    assert "…" in text


def test_wide_letters_do_not_shift_the_columns(play: Play) -> None:
    """Letters that take two columns of a terminal count as two."""
    events = play((0.0, "漢字", ("end", "'漢字'")), (0.1, "bob", 8, ("end", "1")))
    header, _, row, *_ = Timeline(events).text().splitlines()
    assert columns(header[: header.index("bob")]) == columns(row[: row.index("8  ")]) - 0


HOSTILE = "a\x1b[2Jb\x07\x00c\u202ed\u2028e\ud800f\x9b31mg\r\nh"


@pytest.mark.parametrize("kind", ["line", "wait", "note", "raise", "cancel", "send", "spawn"])
def test_text_cannot_command_the_terminal(kind: str) -> None:
    """Escape sequences, marks that turn writing round and broken letters are made visible."""
    event = Event(0.0, 1, HOSTILE, kind, HOSTILE, HOSTILE.replace("\x00", ""), 3, HOSTILE)
    text = Timeline([event, event]).text(width=300)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "\\x1b[2J" in text
    text.encode("utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "klingon"])
def test_every_stream_can_print_it(play: Play, encoding: str) -> None:
    """Signs that a stream cannot encode are replaced, and the columns stay straight."""
    events = [*race(play), *play((1.0, "ada", ("raise", "ValueError('é漢')")))]
    text = Timeline(events).text(encoding=encoding)
    text.encode("ascii" if encoding == "klingon" else encoding)
    rows = text.splitlines()
    assert rows[4].index("await") == rows[2].index("await") + rows[0].index("bob") - rows[0].index(
        "ada"
    )


def test_ascii_has_signs_of_its_own(play: Play) -> None:
    """A plain stream gets dots and crosses made of plain letters."""
    text = Timeline([*race(play), *play((1.0, "ada", ("cancel", "bob")))]).text(encoding="ascii")
    assert "! cancelled by bob" in text
    assert " . " in text
    assert "·" not in text


def test_an_empty_world_says_so() -> None:
    """Without events there is one calm sentence, and no data."""
    timeline = Timeline([])
    assert (str(timeline), timeline.data()) == ("nothing was recorded", [])


def test_source_that_cannot_be_read_is_no_trouble(tmp_path: Path) -> None:
    """A file that is missing, broken or binary only costs the timeline its insight."""
    broken = tmp_path / "broken.py"
    broken.write_bytes(b"def f(:\n\xff\x00")
    for file in (str(broken), str(tmp_path / "missing.py"), "<string>", None):
        assert "x = 1" in Timeline([Event(0.0, 1, "ada", "line", "x = 1", file, 1)]).text()


def test_lines_of_a_notebook_are_of_this_cell() -> None:
    """The passing file name of a notebook's cell is not printed."""
    event = Event(0.0, 1, "ada", "line", "x = 1", "/tmp/ipykernel_7/123.py", 1)
    assert squeezed(Timeline([event]).text())[-1] == "lines of this cell"


def test_data_survives_json(play: Play) -> None:
    """Each event is a dict that JSON can carry."""
    data = Timeline(race(play)).data()
    assert json.loads(json.dumps(data)) == data
    assert data[1]["text"] == "if self.stock > 0:"


def test_repr_is_short_and_steady(play: Play) -> None:
    """A notebook prints how much there is, and no address."""
    assert repr(Timeline(race(play))) == "<Timeline of 2 tasks>"


def test_hash_seeds_change_nothing(tmp_path: Path) -> None:
    """The same events give the same text and the same picture in every process."""
    program = (
        "from autograder.simulation import Timeline\n"
        "from autograder.simulation.events import Event\n"
        "lanes = [f't{n}' for n in range(9)]\n"
        "lines = [Event(n / 9, n, lanes[n * 5 % 9], 'line', f'x{n} = y', __file__, n % 12)\n"
        "         for n in range(90)]\n"
        "print(Timeline(lines).text(), Timeline(lines).svg())\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    root = str(Path(__file__).parents[2])
    said = {
        subprocess.run(
            [sys.executable, str(script)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1

"""The picture of a world: what is drawn, where, and that it is fit for any page."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from autograder.simulation import Timeline
from autograder.simulation.events import Event
from autograder.simulation.svg import LANES
from autograder.simulation.tracks import chart

SVG = "{http://www.w3.org/2000/svg}"


def fetch(lane: str, step: int, start: float, end: float, key: str = "sleep") -> list[Event]:
    """One task that waits once."""
    return [
        Event(start, step, lane, "line", "await sleep(x)", None, 3),
        Event(start, step, lane, "wait", f"{key} x", None, 3, key),
        Event(end, step + 50, lane, "end", ""),
    ]


def in_order(*stories: list[Event]) -> list[Event]:
    return sorted((event for story in stories for event in story), key=lambda e: (e.time, e.step))


def drawn(events: list[Event]) -> ElementTree.Element:
    return ElementTree.fromstring(Timeline(events).svg())


def shapes(events: list[Event], sort: str) -> list[ElementTree.Element]:
    """What is drawn in one style, the legend aside."""
    found = [shape for shape in drawn(events).iter() if shape.get("class") == sort]
    return [shape for shape in found if shape.get("width") != "20"]


def words(events: list[Event]) -> list[str]:
    return [element.text or "" for element in drawn(events).iter(f"{SVG}text")]


def test_gathered_waits_stand_above_each_other() -> None:
    """Tasks that wait at the same time begin at the same place, each in a lane of its own."""
    bars = shapes(in_order(fetch("tea", 1, 0.0, 0.3), fetch("mate", 2, 0.0, 0.4)), "time")
    assert len({bar.get("x") for bar in bars}) == 1
    assert len({bar.get("y") for bar in bars}) == 2
    assert float(bars[0].get("width", 0)) * 4 == pytest.approx(
        float(bars[1].get("width", 0)) * 3, abs=0.5
    )


def test_sequential_waits_follow_each_other() -> None:
    """One task's waits lie end to end in its lane."""
    events = [*fetch("main", 1, 0.0, 0.3)[:2], *fetch("main", 2, 0.3, 0.7)]
    first, second = shapes(events, "time")
    assert first.get("y") == second.get("y")
    end = float(first.get("x", 0)) + float(first.get("width", 0))
    assert end == pytest.approx(float(second.get("x", 0)), abs=0.2)


def test_a_semaphore_looks_different_from_a_sleep() -> None:
    """Waiting for another task is hatched, waiting for time is not."""
    events = in_order(fetch("tea", 1, 0.0, 0.3), fetch("mate", 2, 0.0, 0.3, "semaphore"))
    assert len(shapes(events, "time")) == len(shapes(events, "held")) == 1
    assert {"waits for time or the network", "waits for another task"} <= set(words(events))


def test_waiting_for_tasks_is_a_thin_line() -> None:
    """A task that only waits for others to finish does not look busy."""
    gather = Event(0.0, 0, "main", "wait", "tea, mate", key="task")
    events = [gather, *in_order(fetch("tea", 1, 0.0, 0.3), fetch("mate", 2, 0.0, 0.4))]
    assert len(shapes(events, "join")) >= 1
    assert not shapes(events, "held")


def test_a_task_that_blocks_is_a_solid_bar() -> None:
    """Time that goes by inside one step is drawn as time nobody else could run."""
    events = [
        Event(0.0, 1, "main", "line", "time.sleep(1)", None, 1),
        Event(1.0, 1, "main", "line", "return", None, 2),
        Event(1.0, 1, "main", "end", ""),
    ]
    assert len(shapes(events, "run")) == 1
    assert "blocks everyone" in words(events)


def test_a_message_is_an_arrow_to_whoever_it_wakes() -> None:
    """From the sender when it is sent to the receiver when it arrives."""
    events = [
        Event(0.0, 1, "ada", "send", "orders: 1", key="orders 1"),
        Event(0.0, 1, "ada", "end", ""),
        Event(0.0, 2, "bob", "wait", "inbox", key="queue"),
        Event(0.5, 3, "", "deliver", "orders: 1", key="orders 1"),
        Event(0.5, 4, "bob", "end", ""),
    ]
    (arrow,) = chart(events).arrows
    assert (arrow.source, arrow.start, arrow.target, arrow.end) == ("ada", 0.0, "bob", 0.5)
    assert shapes(events, "message")


def test_cancelling_and_failing_are_red() -> None:
    """A cancellation is an arrow, an exception a cross with its name."""
    events = [
        *fetch("ada", 1, 0.0, 0.3)[:2],
        Event(0.1, 2, "ada", "cancel", "bob"),
        Event(0.1, 3, "ada", "raise", "ValueError('x')"),
    ]
    assert shapes(events, "cancel")
    assert shapes(events, "cross")
    assert "ValueError('x')" in words(events)


def test_a_wait_that_never_ends_goes_on_past_the_end() -> None:
    """Even a deadlock at time zero point nothing can be seen to wait."""
    events = [*fetch("ada", 1, 0.1, 0.2, "lock")[:2], *fetch("bob", 2, 0.1, 0.1)]
    (bar,) = shapes(events, "held")
    assert float(bar.get("width", 0)) > 20
    assert "…" in words(events)


def test_without_time_the_axis_counts_steps() -> None:
    """Where no time passes the order is all there is to see."""
    events = [Event(0.0, n, f"t{n % 2}", "line", "x", None, 1) for n in range(6)]
    assert "step" in words(events)
    assert {"0", "1", "5"} <= set(words(events))


def test_notes_do_not_run_into_each_other() -> None:
    """Notes at one moment go on lines of their own."""
    events = [Event(0.0, 1, "", "note", f"note {n}") for n in range(3)]
    notes = [e for e in drawn(events).iter(f"{SVG}text") if (e.text or "").startswith("note")]
    assert len({note.get("y") for note in notes}) == 3


def test_more_lanes_than_fit_are_counted() -> None:
    """A crowd is cut, and the picture says by how many."""
    events = in_order(*(fetch(f"user {n}", n, 0.0, 1.0) for n in range(LANES + 7)))
    assert "7 more tasks not shown" in words(events)


def test_focus_draws_only_the_tasks_asked_for() -> None:
    """Lanes that are not asked for are left out."""
    events = in_order(fetch("tea", 1, 0.0, 0.3), fetch("mate", 2, 0.0, 0.4))
    root = ElementTree.fromstring(Timeline(events, focus=["mate"]).svg())
    names = [element.text for element in root.iter(f"{SVG}text")]
    assert "mate" in names
    assert "tea" not in names


def test_every_shape_lies_inside_the_picture() -> None:
    """No bar begins or ends outside the frame."""
    root = drawn(in_order(fetch("tea", 1, 0.0, 0.3), fetch("a" * 90, 2, 0.0, 86_400.0)))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for shape in root.iter(f"{SVG}rect"):
        assert 0 <= float(shape.get("x", 0)) <= width
        assert float(shape.get("x", 0)) + float(shape.get("width", 0)) <= width
        assert float(shape.get("y", 0)) + float(shape.get("height", 0)) <= height


def test_it_is_described_in_words() -> None:
    """A screen reader hears who waited how long, and for what."""
    root = drawn(fetch("tea", 1, 0.0, 0.3))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Timeline of 1 task over 0.300 s"
    assert root.findtext(f"{SVG}desc") == "tea: waits 0.300 s for time."


def test_it_needs_nothing_from_outside() -> None:
    """No link, script or font is fetched, and styles touch nothing but the picture."""
    text = Timeline(fetch("tea", 1, 0.0, 0.3)).svg()
    assert not re.search(r"href|script|@import|src|url\((?!#t)", text)
    own = re.search(r'<svg [^>]*id="(\w+)"', text)
    assert own is not None
    rules = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert rules is not None
    for rule in rules[1].splitlines():
        assert rule.startswith((f"#{own[1]} ", "@media", "}"))


def test_two_pictures_on_a_page_keep_apart() -> None:
    """Different pictures have different ids."""
    one, two = drawn(fetch("tea", 1, 0.0, 0.3)), drawn(fetch("mate", 1, 0.0, 0.3))
    assert one.get("id") != two.get("id")


def test_the_same_events_give_the_same_bytes() -> None:
    """Nothing in the picture depends on when or where it is drawn."""
    events = in_order(fetch("tea", 1, 0.0, 1 / 3), fetch("mate", 2, 0.0, 2 / 3))
    assert Timeline(events).svg() == Timeline([replace(event) for event in events]).svg()
    assert Timeline(events)._repr_svg_() == Timeline(events).svg()


HOSTILE = "]]></style><script>alert('1')</script>&\x00\x1b[2J\ud800\u202e\uffff\"'" + "x" * 9_999


@pytest.mark.parametrize("kind", ["line", "wait", "note", "fault", "raise", "cancel", "spawn"])
def test_hostile_text_stays_text(kind: str) -> None:
    """Names and texts cannot leave their element, break the file or make it huge."""
    event = Event(0.5, 1, HOSTILE, kind, HOSTILE, None, None, HOSTILE)
    text = Timeline([event, replace(event, time=1.0, step=2)]).svg()
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert not list(root.iter(f"{SVG}script"))
    assert len(text) < 20_000


def test_an_empty_world_is_an_empty_frame() -> None:
    """Without events there is a picture all the same."""
    assert drawn([]).findtext(f"{SVG}desc") == "Nothing was recorded."

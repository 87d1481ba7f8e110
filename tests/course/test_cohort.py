"""A cohort: nothing is lost, nothing is graded twice, and the table and the page say what is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from autograder.course.cohort.names import names_of, part_of
from autograder.course.cohort.page import to_html
from autograder.course.cohort.running import Order, Outcome, Runner, grade_all
from autograder.course.cohort.table import mistakes_of, to_csv
from autograder.course.refusal import Refusal
from autograder.grading import tree
from autograder.grading.intake import Taken
from autograder.grading.isolation.limits import Limits
from autograder.grading.results import Note, TestResult
from autograder.grading.submissions import graded_with
from autograder.grading.verdict import Expected, Run, verdict_of

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = tree.Exercise("03_async_await", "fetch_prices")


def order(name: str, answer: bytes = b"x = 1\n", limits: Limits | None = None) -> Order:
    taken = Taken(name, files={EXERCISE.file: answer})
    return Order(name, taken, (EXERCISE,), limits or Limits())


def outcome(order: Order, mistake: str | None = None, *, resembles: bool = False) -> Outcome:
    run = Run(EXERCISE.key, "03 async/await", [Expected("t", "test_it", "It holds", 4.0)])
    run.results["t"] = TestResult(EXERCISE.key, "test_it", "t")
    run.held, run.resembles = {"t"}, resembles
    if mistake:
        run.results["t"].status, run.results["t"].notes = "failed", [Note(mistake, "seen")]
    found = verdict_of(
        [run],
        submission=order.name,
        digest=order.taken.digest,
        graded_with=graded_with(ROOT, order.limits),
        seconds=1.5,
    )
    return Outcome(order.name, found)


class Counting:
    """A runner that only notes what it is asked to grade, and may be interrupted."""

    def __init__(self, stop_after: int = 100) -> None:
        self.asked: list[str] = []
        self._left = stop_after

    def __call__(self, orders: Sequence[Order]) -> Iterator[Outcome]:
        for one in orders:
            if not self._left:
                raise KeyboardInterrupt
            self._left -= 1
            self.asked.append(one.name)
            yield outcome(one)


def run(orders: Sequence[Order], runner: Runner, output: Path) -> list[Outcome]:
    return list(grade_all(orders, runner, ROOT, output))


def test_what_has_not_changed_is_not_graded_again(tmp_path: Path) -> None:
    run([order("ada"), order("bob")], Counting(), tmp_path)
    again = Counting()
    outcomes = run([order("ada"), order("bob", b"x = 2\n")], again, tmp_path)
    assert again.asked == ["bob"]
    assert {one.name: one.reused for one in outcomes} == {"ada": True, "bob": False}


def test_other_limits_are_another_grading(tmp_path: Path) -> None:
    run([order("ada")], Counting(), tmp_path)
    again = Counting()
    run([order("ada", limits=Limits(wall=5.0))], again, tmp_path)
    assert again.asked == ["ada"]


def test_an_interruption_loses_nothing(tmp_path: Path) -> None:
    orders = [order(name) for name in ("ada", "bob", "cy")]
    with pytest.raises(KeyboardInterrupt):
        run(orders, Counting(stop_after=2), tmp_path)
    again = Counting()
    assert len(run(orders, again, tmp_path)) == 3
    assert again.asked == ["cy"]


def test_a_damaged_verdict_is_graded_again(tmp_path: Path) -> None:
    run([order("ada")], Counting(), tmp_path)
    (tmp_path / "ada" / "verdict.json").write_text("{")
    again = Counting()
    run([order("ada")], again, tmp_path)
    assert again.asked == ["ada"]


def test_names_are_as_short_as_they_can_be() -> None:
    assert names_of(["subs/ada/", "subs/bob"]) == {"subs/ada/": "ada", "subs/bob": "bob"}
    assert names_of(["ada/x", "bob/x"]) == {"ada/x": "ada-x", "bob/x": "bob-x"}
    assert names_of(["a b/../c;d"]) == {"a b/../c;d": "c_d"}
    with pytest.raises(Refusal, match="twice"):
        names_of(["ada", "ada"])


def test_parts_are_disjoint_and_whole() -> None:
    parts = [part_of(range(11), f"{n}/3") for n in (1, 2, 3)]
    assert sorted(item for part in parts for item in part) == list(range(11))
    assert part_of("abc", None) == ["a", "b", "c"]
    for wrong in ("0/3", "4/3", "3", "a/b"):
        with pytest.raises(Refusal, match="such as 2/5"):
            part_of("abc", wrong)


def test_the_table_has_a_row_for_each_and_no_formulas() -> None:
    outcomes = [outcome(order("bob"), "never-awaited"), outcome(order("=cmd()"), resembles=True)]
    rows = list(csv.DictReader(io.StringIO(to_csv(outcomes))))
    assert [row["submission"] for row in rows] == ["'=cmd()", "bob"]
    assert [(row["score"], row["max_score"]) for row in rows] == [("4", "4"), ("0", "4")]
    assert rows[0]["resembles_reference"] == EXERCISE.key
    assert rows[1][EXERCISE.key] == "0"


def test_the_page_says_what_to_teach_again_and_is_safe() -> None:
    outcomes = [
        outcome(order("<script>"), "never-awaited"),
        outcome(order("bob"), "never-awaited"),
        outcome(order("cy")),
    ]
    page = to_html(outcomes)
    assert mistakes_of(outcomes) == {"never-awaited": 2}
    assert "2 of 3" in page
    assert "<script>" not in page
    assert "//" not in page.replace("&#x27;", ""), "the page needs nothing from elsewhere"


@pytest.mark.slow
@pytest.mark.isolated
def test_a_cluster_of_two_gives_the_same_verdicts(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    from autograder.course.cohort.cluster import run_on_cluster
    from autograder.course.cohort.running import run_here

    emitter = tree.Exercise("01_callbacks", "emitter")
    answers = {
        name: (ROOT / place / emitter.file).read_bytes()
        for name, place in (("solved", "solutions"), ("stub", "exercises"))
    }
    orders = [
        Order(
            name,
            Taken(name, files={emitter.file: answer}, places={emitter.file: "emitter.py"}),
            (emitter,),
            Limits(),
        )
        for name, answer in answers.items()
    ]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        there = list(run_on_cluster(cluster.scheduler_address)(orders))
    here = list(run_here(ROOT, 2)(orders))
    scores = [
        {one.name: (one.verdict.score, one.verdict.status) for one in outcomes}
        for outcomes in (there, here)
    ]
    assert (
        scores[0]
        == scores[1]
        == {"solved": (scores[0]["solved"][0], "passed"), "stub": (0, "not-begun")}
    )

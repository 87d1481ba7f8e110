"""`course watch`: which save means which grading, and what is remembered."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import warm
from autograder.course.commands import watching
from autograder.course.commands.watching import Session, exercises_saved
from autograder.course.syllabus import read_syllabus
from autograder.grading import results
from autograder.grading.results import TestResult


class FakeRun:
    """A run that ends when the test says so."""

    def __init__(self, root: Path, arguments: list[str]) -> None:
        self.arguments = arguments
        self.ended = False
        self.stopped = False

    def finished(self) -> bool:
        """Whether the test has ended it."""
        return self.ended

    def stop(self) -> None:
        """Remember that it was stopped."""
        self.stopped = True

    def wait(self) -> None:
        """It never takes any time."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """The runs that a session starts, in order."""
    made: list[FakeRun] = []

    def start(root: Path, arguments: list[str]) -> FakeRun:
        made.append(FakeRun(root, arguments))
        return made[-1]

    monkeypatch.setattr(watching, "start", start)
    return made


def test_a_save_means_the_exercise_of_that_file(root: Path) -> None:
    """Answers and graders count; notes and files of other exercises do not."""
    exercises = read_syllabus(root).exercises
    base = root / "exercises"

    def labels(*saved: str) -> list[str]:
        return [e.label for e in exercises_saved(exercises, (base / name for name in saved))]

    assert labels("01_callbacks/later.py") == ["01/later"]
    assert labels("03_async_await/test_scraper_parsing.py") == ["03/scraper"]
    assert labels("05_shared_state/hunt/shop.py") == ["05/hunt"]
    assert labels("01_callbacks/notes.txt", "01_callbacks/.later.py.swp") == []


def test_a_new_save_ends_the_run_under_way(
    root: Path, started: list[FakeRun], runs: list[list[str]]
) -> None:
    """Only the newest answer is graded."""
    syllabus = read_syllabus(root)
    session = Session(syllabus, syllabus.exercises)
    session.grade(syllabus.exercises[:1])
    session.grade(syllabus.exercises[:1])
    assert [run.stopped for run in started] == [True, False]
    session.end()
    assert started[-1].stopped


def test_a_solved_exercise_leads_to_the_next(
    root: Path,
    started: list[FakeRun],
    runs: list[list[str]],
    answer: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The results are remembered, so the map needs no grading; the next file is named."""
    answer("01_callbacks/later", "3 of 3")
    syllabus = read_syllabus(root)
    session = Session(syllabus, syllabus.exercises)
    session.grade(syllabus.exercises[:1])
    [run] = started
    session.look()
    assert "Solved" not in capsys.readouterr().out
    write_results(Path(run.arguments[-1].partition("=")[2]))
    run.ended = True
    session.look()
    session.look()
    output = capsys.readouterr().out
    assert output.count("Solved. Next: exercises/01_callbacks/emitter.py") == 1
    assert ["01/later"] not in runs
    session.end()


def write_results(path: Path) -> None:
    """Write a verdict of full marks for 01/later, as the plugin does."""
    results.write(path, [TestResult("01_callbacks/later", "test_it", "test_later.py::test_it")])


@pytest.mark.parametrize("methods", [["spawn"], None])
def test_a_run_is_pytest_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: list[str] | None
) -> None:
    """With a fork server where there is one, else as a fresh process."""
    if methods:
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: methods)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    (tmp_path / "test_it.py").write_text(
        "from pathlib import Path\n\n\ndef test_it():\n    Path('ran').touch()\n", "utf-8"
    )
    run = warm.start(tmp_path, ["test_it.py", "-q", "-p", "no:cacheprovider"])
    run.wait()
    assert run.finished()
    assert (tmp_path / "ran").exists()

"""What each command says, and its exit status."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.course.doctor import packages, servers
from autograder.course.doctor.finding import Finding
from autograder.services.catalogue import SERVERS
from autograder.services.keeping import Standing

from .conftest import Course, commit_all, git

Answer = Callable[[str, str], Path]


def test_next_on_a_fresh_clone_is_calm(course: Course, runs: list[list[str]]) -> None:
    """It names the exercise, what to read and what to write, and ends well."""
    status, output = course("next")
    assert status == 0
    assert "01 callbacks · later" in output
    assert "Later." in output
    assert "lessons/01_callbacks.md" in output
    assert "exercises/01_callbacks/later.py" in output


def test_next_grades_the_first_unsolved_exercise(course: Course, answer: Answer) -> None:
    """A failing answer gets the grader's report, a hint's offer and exit status 0."""
    answer("01_callbacks/later", "1 of 3")
    status, output = course("next")
    assert status == 0
    assert "(the grader's report)" in output
    assert "course hint" in output


def test_next_goes_past_what_is_solved(course: Course, answer: Answer) -> None:
    """What passes is behind you."""
    answer("01_callbacks/later", "3 of 3")
    _, output = course("next")
    assert "01 callbacks · emitter" in output


def test_check_ends_with_0_for_full_marks_only(course: Course, answer: Answer) -> None:
    """An exercise with full marks ends with 0, a module that is not whole with 1."""
    answer("01_callbacks/later", "3 of 3")
    status, output = course("check", "later")
    assert (status, "course solution later" in output) == (0, True)
    assert course("check", "01")[0] == 1
    answer("01_callbacks/emitter", "2 of 3")
    assert course("check", "01/emitter")[0] == 1


def test_check_alone_grades_what_was_begun(
    course: Course, answer: Answer, root: Path, runs: list[list[str]]
) -> None:
    """Stubs that nobody touched are left out."""
    git(root, "init", "--quiet")
    commit_all(root)
    answer("05_shared_state/hunt/regression", "3 of 3")
    answer("01_callbacks/later", "3 of 3")
    assert course("check")[0] == 0
    assert runs[-1] == ["01/later", "05/hunt"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("check", "04"), "There is no module 04 here."),
        (("hint", "latr"), "There is no exercise latr. Did you mean later?"),
        (("hint", "emitter"), "There are no hints for 01 emitter."),
        (("explain", "never-await"), "Did you mean never-awaited?"),
        (("solution", "later"), "01 later is not solved yet."),
        (("solution", "emitter", "--anyway"), "There is no solution"),
        (("reset", "later"), "not a git clone"),
        (("update",), "not a git clone"),
        (("run", "scrapper"), "There is no program scrapper to run. There are:"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    course: Course, typed: tuple[str, ...], sentence: str
) -> None:
    """No traceback, one line, exit status 2."""
    status, output = course(*typed)
    assert status == 2
    assert sentence in output
    assert output.count("\n") == 1


def test_outside_a_course_it_says_where_to_go(
    course: Course, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COURSE_ROOT that is none is refused."""
    monkeypatch.setenv("COURSE_ROOT", str(root / "exercises"))
    status, output = course()
    assert status == 2
    assert "that folder has no exercises/ and lessons/" in output


def test_hints_come_one_at_a_time(course: Course) -> None:
    """Each call shows one more; the last one offers the solution."""
    first = course("hint", "later")[1]
    assert "hint 1 of 2" in first
    assert "Go on" not in first
    second = course("hint", "later")[1]
    assert "hint 2 of 2" in second
    assert "course solution later --anyway" in second
    assert "hint 2 of 2" in course("hint", "later")[1]


def test_hints_can_be_seen_again_or_all_at_once(course: Course) -> None:
    """--again shows those seen and no more; --all shows everything."""
    course("hint", "later")
    again = course("hint", "later", "--again")[1]
    assert "Begin" in again
    assert "Go on" not in again
    everything = course("hint", "later", "--all")[1]
    assert "Begin" in everything
    assert "Go on" in everything


def test_a_mistake_is_explained_however_it_is_typed(course: Course) -> None:
    """In a pipe the section is plain text."""
    for typed in ("never-awaited", "[never-awaited]", "Never awaited", "never_awaited"):
        status, output = course("explain", typed)
        assert status == 0
        assert output.startswith("never-awaited\n\nA coroutine was made and never run.")
        assert "\n    fetch()\n" in output


def test_all_mistakes_are_listed_with_a_sentence(course: Course) -> None:
    """`course explain` alone is a table of contents."""
    _, output = course("explain")
    assert "  never-awaited  A coroutine was made and never run.\n" in output
    assert "  lock-order     Two locks, two orders.\n" in output


def test_the_solution_is_a_difference_once_yours_passes(course: Course, answer: Answer) -> None:
    """The docstrings, which hold the brief, are left out of it."""
    answer("01_callbacks/later", "3 of 3")
    status, output = course("solution", "later")
    assert status == 0
    assert "-def done() -> int:" in output
    assert "+def later() -> int:" in output
    assert "Other." not in output


def test_the_solution_is_shown_early_only_on_request(course: Course) -> None:
    """--anyway does not ask whether yours passes."""
    status, output = course("solution", "later", "--anyway")
    assert status == 0
    assert "+    return 3" in output


def test_reset_keeps_the_answer_as_a_backup(course: Course, answer: Answer, root: Path) -> None:
    """The stub is back even if the answer was committed, and the answer is where it says."""
    git(root, "init", "--quiet")
    commit_all(root)
    path = root / "exercises/01_callbacks/later.py"
    stub = path.read_bytes()
    answer("01_callbacks/later", "3 of 3")
    commit_all(root, "My answer")
    status, output = course("reset", "later")
    assert status == 0
    assert path.read_bytes() == stub
    backup = next((root / ".course" / "backups").rglob("later.py"))
    assert backup.relative_to(root).as_posix() in output
    assert b"# 3 of 3" in backup.read_bytes()
    assert "nothing to reset" in course("reset", "later")[1]


def test_reset_brings_back_a_deleted_stub(course: Course, root: Path) -> None:
    """There is nothing to back up then."""
    git(root, "init", "--quiet")
    commit_all(root)
    path = root / "exercises/01_callbacks/later.py"
    path.unlink()
    status, output = course("reset", "later")
    assert (status, path.is_file(), "kept as" in output) == (0, True, False)


def test_the_doctor_names_what_is_missing(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package of the base is said with the command that installs it, status 1."""
    monkeypatch.setattr(
        packages, "declared", lambda: {"": ["pytest>=9", "no-such-package>=1"], "dev": ["nix-da"]}
    )
    status, output = course("doctor")
    assert status == 1
    assert "no-such-package" in output
    assert "pip install --editable ." in output
    assert '".[dev]"' in output


def test_the_doctor_is_content_with_a_whole_installation(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is optional may be absent."""
    monkeypatch.setattr(packages, "declared", lambda: {"": ["pytest>=7"], "dev": ["nix-da"]})
    status, output = course("doctor")
    assert status == 0
    assert "All that the course needs is here." in output


def test_the_doctor_looks_for_the_servers_that_the_modules_use(tmp_path: Path) -> None:
    """And for no other."""
    assert servers.check_servers({1, 3}, tmp_path) == []
    assert [it.name for it in servers.check_servers({8, 9}, tmp_path)] == ["Redis", "RabbitMQ"]


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (("runs", "redis://there", "the wheel"), ("ok", "runs, redis://there (the wheel)", "")),
        (("startable", "", "the wheel"), ("ok", "can be started from the wheel", "")),
        (
            ("absent", "", "not here", (), ("buy it", "make it")),
            ("absent", "only for --live", "Redis: buy it; or make it"),
        ),
        (("wrong", "", "Correct it."), ("missing", "REDIS_URL leads nowhere", "Correct it.")),
    ],
)
def test_the_doctor_says_how_a_server_stands(
    standing: tuple[Any, ...], said: tuple[Any, str, str]
) -> None:
    """Where it is from, or how to get it."""
    found = servers.finding(Standing(SERVERS["redis"], *standing))
    assert found == Finding("Redis", *said)


def test_the_doctor_leaves_out_what_is_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages for other systems and Pythons, and the course itself."""
    lines = [
        "pytest>=9",
        "wincode; sys_platform == 'no such system'",
        "here; python_version >= '3.11' and extra == 'more'",
        "gone; python_version < '3.11' and extra == 'more'",
        "callbacks-to-sagas[more]; extra == 'live'",
    ]
    monkeypatch.setattr(packages, "requires", lambda _: lines)
    assert packages.declared() == {"": ["pytest>=9"], "more": ["here"]}


@pytest.mark.parametrize(
    "command",
    [
        "next",
        "check",
        "watch",
        "hint",
        "explain",
        "solution",
        "reset",
        "doctor",
        "update",
        "run",
        "services",
    ],
)
def test_help_has_examples(course: Course, command: str) -> None:
    """Every command shows how it is typed, without boxes."""
    status, output = course(command, "--help")
    assert status == 0
    assert f"course {command}" in output.partition("Example")[2]
    assert "─" not in output


def test_the_version_is_said(course: Course) -> None:
    """--version needs no course."""
    status, output = course("--version")
    assert status == 0
    assert output.startswith("Callbacks to Sagas ")

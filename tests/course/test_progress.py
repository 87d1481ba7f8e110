"""Progress is what passes, and is graded again only when something changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course.cache import cache_file, read_cache

from .conftest import Course, commit_all, git


def test_a_fresh_clone_is_not_graded(course: Course, root: Path, runs: list[list[str]]) -> None:
    """Stubs are recognised without running them, and so are files that came with them."""
    git(root, "init", "--quiet")
    commit_all(root)
    status, output = course()
    assert status == 0
    assert "you: 0 of 5 · next: 01 later" in output
    assert "01 ○○ 03 ○○ 05 ○" in output
    assert runs == []


def test_an_answer_to_a_part_is_a_beginning(
    course: Course, root: Path, runs: list[list[str]]
) -> None:
    """Functions that the stub gives do not count as begun; one more that works does."""
    git(root, "init", "--quiet")
    commit_all(root)
    stub = root / "exercises/03_async_await/fetch_prices.py"
    stub.write_bytes(stub.read_bytes() + b"\n\n# a comment is no answer\n")
    course()
    assert runs == []
    stub.write_bytes(stub.read_bytes() + b"\n\ndef helper() -> int:\n    return 1\n")
    course()
    assert runs == [["03/fetch_prices"]]


def test_what_has_not_changed_is_not_graded_again(
    course: Course, answer: Callable[[str, str], Path], runs: list[list[str]]
) -> None:
    """The second map costs no grading; a changed file costs its own."""
    answer("01_callbacks/later", "3 of 3")
    answer("01_callbacks/emitter", "1 of 3")
    _, output = course()
    assert "you: 1 of 5 · next: 01 emitter" in output
    assert "01 ●◐" in output
    before = len(runs)
    course()
    assert len(runs) == before
    answer("01_callbacks/emitter", "3 of 3")
    _, output = course()
    assert runs[before:] == [["01/emitter"]]
    assert "01 ●●" in output


def test_a_changed_grader_means_grading_again(
    course: Course, answer: Callable[[str, str], Path], root: Path, runs: list[list[str]]
) -> None:
    """A result depends on the grader as much as on the answer."""
    answer("01_callbacks/later", "3 of 3")
    course()
    (root / "exercises/01_callbacks/test_later.py").write_text("# stricter\n", "utf-8")
    runs.clear()
    course()
    assert runs == [["01/later"]]


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"version": 1, "results": 5}', "\x00"])
def test_a_broken_cache_is_no_loss(
    course: Course, answer: Callable[[str, str], Path], root: Path, rubbish: str
) -> None:
    """The cache is rebuilt from what passes."""
    answer("01_callbacks/later", "3 of 3")
    cache_file(root).parent.mkdir()
    cache_file(root).write_text(rubbish, "utf-8")
    status, output = course()
    assert status == 0
    assert "you: 1 of 5" in output
    assert read_cache(root)["results"]["01/later"]["passed"] == 3

"""Progress is what passes, and is graded again only when something changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course.cache import cache_file, read_cache
from autograder.course.untouched import same_code, shape

from .conftest import Course, commit_all, git


def test_a_fresh_clone_is_not_graded(course: Course, root: Path, runs: list[list[str]]) -> None:
    """Stubs are recognised without running them; with given code, by the history."""
    git(root, "init", "--quiet")
    commit_all(root)
    status, output = course()
    assert status == 0
    assert "you: 0 of 5 · next: 01 later" in output
    assert "01 ○○ 03 ○○ 05" in output
    assert runs == [["05/hunt"]]  # a shop that works was given, but nothing says it is a stub


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


def test_a_shape_tells_what_is_to_write() -> None:
    """Functions that only refuse are to write; Protocol methods are neither."""
    found = shape(
        b"class Shop:\n"
        b"    async def buy(self):\n        'Buy.'\n        raise NotImplementedError('later')\n"
        b"    def stock(self): ...\n"
        b"def given():\n    return 1\n"
    )
    assert found
    assert found.to_write == {"Shop.buy"}
    assert found.working == {"given"}
    assert shape(b"def broken(:") is None


def test_comments_and_layout_do_not_make_an_answer() -> None:
    """A stub with a comment added is still that stub."""
    assert same_code(b"x = 1\n", b"# mine\r\nx  =  1\r\n")
    assert not same_code(b"x = 1\n", b"x = 2\n")

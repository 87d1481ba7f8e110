"""The catalogue of mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.grading import mistakes
from autograder.grading.mistakes import UnknownMistake, mistake

TEXT = """
# Mistakes

Words before.

### never-awaited
A coroutine was made,
and *never* run: `f()` [only](x.md) makes it.

```python no-run
### not-a-heading
```

Read: [The `await`](03_async_await.md#the-await), and [more](04_x.md).

## lock-order

Locks in two orders.

### Notes

Not a mistake.
"""


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "lessons").mkdir()
    file = tmp_path / "lessons" / "mistakes.md"
    file.write_text(TEXT, "utf-8")
    before = mistakes._root
    mistakes.use_root(tmp_path)
    yield file
    mistakes._root = before


def test_sections_are_headings_that_look_like_names() -> None:
    assert mistakes.names() == ["never-awaited", "lock-order"]


def test_a_section_knows_its_place_and_says_its_first_paragraph() -> None:
    section = mistakes.section("never-awaited")
    assert section.line == 6
    assert section.sentence == "A coroutine was made, and never run: f() only makes it."
    assert section.where_to_read() == ("03_async_await.md", "The await")
    assert "### not-a-heading" in section.text
    assert mistakes.section("lock-order").where_to_read() is None


def test_the_lesson_of_the_module_that_is_graded_comes_first(catalogue: Path) -> None:
    text = "### busy\nIt was.\n\nRead: [A](03_await.md#a), and of loops [B](02_loop.md#b)\n"
    catalogue.write_text(text, "utf-8")
    section = mistakes.section("busy")
    assert section.where_to_read("02_loop") == ("02_loop.md", "B")
    assert section.where_to_read("05_state") == ("03_await.md", "A")


def test_explaining_gives_the_whole_section() -> None:
    assert mistakes.explain("lock-order") == "### lock-order\n\nLocks in two orders.\n"


def test_a_message_names_its_mistake_first() -> None:
    message = mistake("lock-order", "ada waits for bob")
    assert message == "[lock-order] ada waits for bob"
    assert mistakes.split(message) == ("lock-order", "ada waits for bob")
    assert mistakes.split("[1, 2] is not [2]") == (None, "[1, 2] is not [2]")


def test_an_unknown_name_is_refused_with_names_that_are_near() -> None:
    with pytest.raises(UnknownMistake, match=r"no section 'lock-ordr'\. Did you mean lock-order\?"):
        mistake("lock-ordr", "...")
    with pytest.raises(UnknownMistake):
        mistakes.explain("Notes")
    assert mistakes.find("lock-ordr") is None


def test_a_changed_catalogue_is_read_again(catalogue: Path) -> None:
    assert mistakes.names() == ["never-awaited", "lock-order"]
    catalogue.write_text("### dual-write\nTwo stores.\n", "utf-8")
    assert mistakes.names() == ["dual-write"]


def test_a_course_without_a_catalogue_takes_every_name(catalogue: Path) -> None:
    catalogue.unlink()
    assert mistake("what-ever", "x") == "[what-ever] x"

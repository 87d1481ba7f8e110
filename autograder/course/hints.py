"""Hints: `exercises/NN_x/hints/NAME.md`, one `##` section each, given one at a time."""

import re
from pathlib import Path

from autograder.course.cache import Content, read_cache, update_cache
from autograder.course.refusal import Refusal
from autograder.course.syllabus import Exercise


def read_hints(exercise: Exercise) -> list[str]:
    """Return the hints of an exercise, each as Markdown with its heading.

    Raises:
        Refusal: there are none.
    """
    path = exercise.path.parent / "hints" / f"{exercise.name}.md"
    try:
        text = path.read_text("utf-8")
    except OSError:
        raise Refusal(f"There are no hints for {exercise.title}.") from None
    hints = [part.strip() for part in re.split(r"^(?=## )", text, flags=re.MULTILINE)]
    hints = [hint for hint in hints if hint.startswith("## ")]
    if not hints:
        raise Refusal(f"There are no hints for {exercise.title}.")
    return hints


def hints_shown(root: Path, exercise: Exercise) -> int:
    """Return how many hints of an exercise have been shown."""
    count = read_cache(root)["hints"].get(exercise.label, 0)
    return count if isinstance(count, int) and count > 0 else 0


def remember_shown(root: Path, exercise: Exercise, count: int) -> None:
    """Remember that this many hints have been shown."""

    def change(content: Content) -> None:
        content["hints"][exercise.label] = count

    update_cache(root, change)


def choose_hints(total: int, shown: int, *, everything: bool, again: bool) -> range:
    """Return which hints (from 0) to show now: the next one, all, or those shown before.

    When none is left, the last one is shown once more.
    """
    if everything:
        return range(total)
    if again:
        return range(max(1, min(shown, total)))
    following = min(shown, total - 1)
    return range(following, following + 1)

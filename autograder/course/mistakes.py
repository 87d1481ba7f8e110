"""The catalogue of mistakes, as the `course` command looks things up in it."""

import re
from pathlib import Path

from autograder.course.refusal import Refusal, did_you_mean
from autograder.grading import mistakes
from autograder.grading.mistakes import Section


def all_mistakes(root: Path) -> list[Section]:
    """Return the sections of the catalogue, in its order.

    Raises:
        Refusal: the catalogue is not there or empty.
    """
    mistakes.use_root(root)
    found = [mistakes.section(name) for name in mistakes.names()]
    if not found:
        raise Refusal("The catalogue of mistakes, lessons/mistakes.md, is not here.")
    return found


def find_mistake(root: Path, typed: str) -> Section:
    """Return the section of a mistake, however its name was typed: [Never awaited], say.

    Raises:
        Refusal: there is no such mistake.
    """
    known = {section.name: section for section in all_mistakes(root)}
    wanted = re.sub(r"[\s_]+", "-", typed.strip(" []`").lower())
    if wanted in known:
        return known[wanted]
    near = did_you_mean(wanted, known) or " course explain lists them all."
    raise Refusal(f"No mistake in the catalogue is called {typed}.{near}")

"""The catalogue of mistakes, `lessons/mistakes.md`, as the `course` command reads it."""

import re
from pathlib import Path

from autograder.course.refusal import Refusal, did_you_mean

_HEADING = re.compile(r"^#{2,4} +`?([a-z0-9]+(?:-[a-z0-9]+)*)`? *$", re.MULTILINE)


def read_mistakes(root: Path) -> dict[str, str]:
    """Return the section of each mistake, as Markdown without its heading, in the file's order.

    Raises:
        Refusal: the catalogue is not there or empty.
    """
    try:
        text = (root / "lessons" / "mistakes.md").read_text("utf-8")
    except OSError:
        text = ""
    pieces = _HEADING.split(text)[1:]
    if not pieces:
        raise Refusal("The catalogue of mistakes, lessons/mistakes.md, is not here.")
    # A section ends where a heading of the file's own begins, such as one between groups.
    sections = (re.split(r"^#{1,2} ", piece, flags=re.MULTILINE)[0] for piece in pieces[1::2])
    return dict(zip(pieces[::2], (section.strip() for section in sections), strict=True))


def find_mistake(root: Path, name: str) -> tuple[str, str]:
    """Return the name and the section of a mistake, however its name was typed.

    Raises:
        Refusal: there is no such mistake.
    """
    mistakes = read_mistakes(root)
    wanted = re.sub(r"[\s_]+", "-", name.strip().strip("[]").lower())
    if wanted in mistakes:
        return wanted, mistakes[wanted]
    near = did_you_mean(wanted, mistakes) or " course explain lists them all."
    raise Refusal(f"No mistake in the catalogue is called {name}.{near}")

"""`course export`: the edition for learners."""

from pathlib import Path

from autograder.course import screen
from autograder.course.exporting import export
from autograder.course.refusal import Refusal
from autograder.course.root import find_root


def export_edition(folder: Path) -> None:
    """Write the edition, and say what it is good for.

    Raises:
        Refusal: the folder is not empty, or this is no whole course.
    """
    root = find_root()
    if not (root / "solutions").is_dir():
        raise Refusal("This is an edition for learners already: copy the folder as it is.")
    count = export(root, folder)
    screen.say(f"{count} files in {folder}: no solutions, no tests of graders.", "bold")
    screen.say("Make it a template repository, or hand it out; what is made from it grades here:")
    screen.say("  course grade THEIR-CHECKOUT")

"""The file that a program runs: the learner's, or the reference solution."""

from types import ModuleType

from autograder.course.refusal import Refusal
from autograder.course.root import answers_of, find_root, shown
from autograder.grading import loading
from autograder.grading.complaints import BadSubmission


def load_answer(file: str, needs: tuple[str, ...], *, mine: bool) -> tuple[ModuleType, str]:
    """Import an answer; the module, and the name of its file as a person would type it.

    Args:
        file: such as "07_websockets/chat_server.py".
        needs: the names that it must have.

    Raises:
        Refusal: it is not there, cannot be imported, or lacks a name.
    """
    root = find_root()
    found = answers_of(root, mine=mine) / file
    path = shown(found, root)
    module = loading.new_module(f"{found.stem}_to_run", found)
    try:
        loading.execute(loading.compiled(found), module, lambda name: name == str(found))
    except BadSubmission as bad:
        rows = "".join(f"\n    {row}" for row in bad.complaint.rows)
        raise Refusal(f"{path} {bad.complaint.says}{rows}") from None
    for name in needs:
        if not hasattr(module, name):
            raise Refusal(f"{path} has no {name} any more; the stub has it.")
    return module, path

"""`course hint`, `course explain` and `course solution`."""

import difflib
import re
import sys
from pathlib import Path

from autograder.course import screen
from autograder.course.choose import choose_one
from autograder.course.grade import grade_quietly
from autograder.course.hints import choose_hints, hints_shown, read_hints, remember_shown
from autograder.course.mistakes import all_mistakes, find_mistake
from autograder.course.progress import first_unsolved, progress
from autograder.course.refusal import Refusal
from autograder.course.root import find_root, shown
from autograder.course.syllabus import Exercise, Syllabus, read_syllabus


def hint(typed: str | None, *, everything: bool, again: bool) -> None:
    """Show one more hint for an exercise, by default the first that is not solved."""
    syllabus = read_syllabus(find_root())
    exercise = _exercise_or_current(syllabus, typed)
    hints = read_hints(exercise)
    before = hints_shown(syllabus.root, exercise)
    now = choose_hints(len(hints), before, everything=everything, again=again)
    screen.say(f"{exercise.title}: {_which(now, len(hints))}", "bold")
    for number in now:
        screen.say()
        screen.markdown(hints[number])
    seen = max(before, now.stop)
    remember_shown(syllabus.root, exercise, seen)
    screen.say()
    name = exercise.name
    if seen < len(hints):
        screen.say(f"Another:  course hint {name}        These again:  course hint {name} --again")
    else:
        screen.say(f"That is all. To see an answer:  course solution {name} --anyway")


def explain(name: str | None) -> None:
    """Show a section of the catalogue of mistakes, or list them all."""
    root = find_root()
    if name is None:
        mistakes = all_mistakes(root)
        screen.say("course explain MISTAKE explains one of these:", "bold")
        longest = max(len(mistake.name) for mistake in mistakes)
        for mistake in mistakes:
            sentence = re.split(r"[.:;](?= |$)", mistake.sentence)[0]
            screen.say(f"  {mistake.name:<{longest}}  {sentence}.")
        return
    mistake = find_mistake(root, name)
    screen.say(mistake.name, "bold")
    screen.say()
    screen.markdown(mistake.text)


def solution(typed: str | None, *, anyway: bool) -> None:
    """Show how a solution differs from the learner's own answer, once that passes.

    Raises:
        Refusal: it does not pass yet and `anyway` is false, or the solution is not here.
    """
    syllabus = read_syllabus(find_root())
    exercise = _exercise_or_current(syllabus, typed)
    if not anyway and not _solved(syllabus, exercise):
        raise Refusal(
            f"{exercise.title} is not solved yet. course hint {exercise.name} gives a hint; "
            f"course solution {exercise.name} --anyway shows the solution."
        )
    folder = syllabus.root / "solutions" / exercise.module
    given = sorted((folder / exercise.name).glob("*.py")) if exercise.in_folder else []
    for theirs in given or [folder / f"{exercise.name}.py"]:
        mine = exercise.path / theirs.name if exercise.in_folder else exercise.path
        _show_difference(mine, theirs, syllabus.root)


def _show_difference(mine: Path, theirs: Path, root: Path) -> None:
    names = shown(mine, root), shown(theirs, root)
    if not theirs.is_file():
        raise Refusal(f"There is no solution {names[1]} in this copy of the course.")
    before = _without_docstring(mine) if mine.is_file() else []
    lines = list(difflib.unified_diff(before, _without_docstring(theirs), *names, lineterm=""))
    if not lines:
        screen.say(f"{names[0]} says the same as {names[1]}.")
        return
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for number, line in enumerate(lines):
        screen.say(line, "bold" if number < 2 else styles.get(line[:1]))
    if sys.stdout.isatty():
        screen.say()
        screen.say("- yours   + the solution: one good answer among others", "dim")


def _without_docstring(path: Path) -> list[str]:
    """The lines of a file without its first docstring: the brief is not part of the answer."""
    import ast

    source = path.read_text("utf-8", errors="replace")
    lines = source.splitlines()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return lines
    if ast.get_docstring(tree) is None:
        return lines
    first = tree.body[0]
    return [*lines[: first.lineno - 1], *lines[first.end_lineno or first.lineno :]]


def _solved(syllabus: Syllabus, exercise: Exercise) -> bool:
    only = Syllabus(syllabus.root, (syllabus.module_of(exercise),))
    return progress(only, lambda missing: grade_quietly(syllabus.root, missing))[
        exercise.label
    ].solved


def _exercise_or_current(syllabus: Syllabus, typed: str | None) -> Exercise:
    if typed is not None:
        return choose_one(syllabus, typed)
    grades = progress(syllabus, lambda missing: grade_quietly(syllabus.root, missing))
    current = first_unsolved(syllabus, grades)
    if current is None:
        raise Refusal("Every exercise is solved: name the one you mean.")
    return current


def _which(now: range, total: int) -> str:
    if len(now) == 1:
        return f"hint {now.start + 1} of {total}"
    return f"hints {now.start + 1} to {now.stop} of {total}"

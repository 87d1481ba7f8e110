"""`course next` and `course check`."""

from autograder.course import screen
from autograder.course.choose import choose
from autograder.course.grade import grade, grade_quietly
from autograder.course.progress import (
    NOT_BEGUN,
    Grades,
    first_unsolved,
    known_grade,
    progress,
    remember,
)
from autograder.course.root import find_root, shown
from autograder.course.syllabus import Exercise, Syllabus, read_syllabus


def check(typed: str | None) -> bool:
    """Grade what was named, or all that has been begun; return whether it has full marks."""
    syllabus = read_syllabus(find_root())
    if typed is None:
        chosen = [e for e in syllabus.exercises if known_grade(syllabus.root, e) != NOT_BEGUN]
        if not chosen:
            begin(syllabus, syllabus.exercises[0] if syllabus.exercises else None)
            return False
    else:
        chosen = choose(syllabus, typed)
    grades = grade_and_remember(syllabus, chosen)
    full_marks = all(e.label in grades and grades[e.label].solved for e in chosen)
    if full_marks:
        _what_follows(syllabus, chosen[-1])
    return full_marks


def grade_next() -> None:
    """Grade the first exercise that is not solved, and say what to do next."""
    syllabus = read_syllabus(find_root())
    grades = progress(syllabus, lambda missing: grade_quietly(syllabus.root, missing))
    current = first_unsolved(syllabus, grades)
    if current is None or not grades[current.label].begun:
        begin(syllabus, current, solved=sum(grade.solved for grade in grades.values()))
        return
    fresh = grade_and_remember(syllabus, [current])
    if current.label in fresh and fresh[current.label].solved:
        _what_follows(syllabus, current)
        return
    screen.say()
    where = shown(current.path, syllabus.root)
    _show_steps(
        [
            ("Go on", where, "then course next again, or course watch"),
            ("Stuck?", f"course hint {current.name}", "one more each time"),
        ]
    )


def grade_and_remember(syllabus: Syllabus, chosen: list[Exercise]) -> Grades:
    """Grade with the grader's own report on the screen, and remember the results."""
    grades = grade(syllabus.root, chosen)
    remember(syllabus.root, chosen, grades)
    return grades


def begin(syllabus: Syllabus, exercise: Exercise | None, *, solved: int = 0) -> None:
    """Say how to begin an exercise; None means that there is nothing left to do."""
    if exercise is None:
        screen.say("Every exercise is solved." if solved else "There are no exercises here yet.")
        return
    module = syllabus.module_of(exercise)
    dot = screen.symbol("dot")
    head = f"{module.heading} {dot} {exercise.name}"
    total = len(syllabus.exercises)
    screen.say(screen.both_ends(head, f"not begun {dot} {solved} of {total} solved"), "bold")
    about = exercise_brief(exercise)
    if about:
        screen.say(f"  {about}")
    screen.say()
    steps = [
        ("Write", shown(exercise.path, syllabus.root), "its first lines say what to build"),
        ("Check", "course next", "or course watch, at every save"),
    ]
    if module.lesson:
        steps.insert(0, ("Read", shown(module.lesson, syllabus.root), "the lesson"))
    _show_steps(steps)


def exercise_brief(exercise: Exercise) -> str:
    """Return the first line of the stub's docstring, or ""."""
    import ast

    for path in exercise.files():
        try:
            docstring = ast.get_docstring(ast.parse(path.read_bytes()))
        except (OSError, SyntaxError, ValueError):
            continue
        if docstring:
            return docstring.splitlines()[0]
    return ""


def _what_follows(syllabus: Syllabus, exercise: Exercise) -> None:
    known = {e.label: known_grade(syllabus.root, e) or NOT_BEGUN for e in syllabus.exercises}
    following = first_unsolved(syllabus, known)
    screen.say()
    steps = [("Compare", f"course solution {exercise.name}", "another answer, beside yours")]
    if following is not None:
        steps.append(("Next", "course next", following.title))
    _show_steps(steps)
    if following is None:
        screen.say("Every exercise is solved.")


def _show_steps(steps: list[tuple[str, str, str]]) -> None:
    """Print what to do next: a word, what to type or open, and why."""
    column = max(len(do) for _, do, _ in steps)
    for what, do, why in steps:
        screen.say(f"  {what:<8} {do:<{column}}  {why}".rstrip())
    command = screen.activation()
    if command:
        screen.say()
        screen.say(f"Once in every new terminal, before these:  {command}")

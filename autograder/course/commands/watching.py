"""`course watch`: grade again whenever a file is saved."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from autograder.course import screen
from autograder.course.choose import choose
from autograder.course.grade import grade_quietly, pytest_arguments, read_grades
from autograder.course.progress import known_grade, progress, remember
from autograder.course.refusal import Refusal
from autograder.course.root import find_root, shown
from autograder.course.syllabus import Exercise, Syllabus, read_syllabus
from autograder.course.warm import Run, start


def watch(typed: str | None) -> None:
    """Grade what was named, or whatever is being worked on, now and at every save, until Ctrl-C."""
    from watchfiles import watch as changes_in

    syllabus = read_syllabus(find_root())
    wanted = choose(syllabus, typed) if typed else syllabus.exercises
    if not wanted:
        raise Refusal("There are no exercises here yet.")
    session = Session(syllabus, wanted)
    try:
        if not typed:  # grades whatever is not known yet
            progress(syllabus, lambda missing: grade_quietly(syllabus.root, missing))
        session.grade(wanted if typed else [first_open(syllabus.root, wanted) or wanted[-1]])
        for changes in changes_in(
            syllabus.root / "exercises",
            step=20,
            rust_timeout=50,
            yield_on_timeout=True,
            raise_interrupt=True,
        ):
            saved = exercises_saved(wanted, (Path(path) for _, path in changes))
            if saved:
                session.grade(saved)
            else:
                session.look()
    except KeyboardInterrupt:
        pass
    finally:
        session.end()
    screen.say()
    screen.say("Stopped watching.")


def exercises_saved(exercises: Iterable[Exercise], saved: Iterable[Path]) -> list[Exercise]:
    """Return the exercises that these files belong to, as answers or as graders."""
    paths = {path.resolve() for path in saved}
    return [e for e in exercises if paths & {p.resolve() for p in (e.path, *e.files(), *e.graders)}]


class Session:
    """The runs of one `course watch`: at most one at a time, the newest."""

    def __init__(self, syllabus: Syllabus, watched: list[Exercise]) -> None:
        self._syllabus = syllabus
        self._watched = watched
        self._results = Path(tempfile.mkdtemp(prefix="course-")) / "results.json"
        self._run: Run | None = None
        self._graded: list[Exercise] = []

    def grade(self, exercises: list[Exercise]) -> None:
        """End the run under way, if any, and grade these."""
        self._stop()
        if sys.stdout.isatty():
            screen.console().clear()
        else:
            screen.say()
        self._graded = exercises
        screen.say(f"Grading {_names(exercises)}", "dim")
        arguments = pytest_arguments(self._syllabus.root, exercises, self._results)
        self._run = start(self._syllabus.root, arguments)

    def look(self) -> None:
        """If the run has ended, remember its results and say what to do next."""
        if self._run is None or not self._run.finished():
            return
        self._run = None
        grades = read_grades(self._results)
        remember(self._syllabus.root, self._graded, grades)
        screen.say()
        if all(e.label in grades and grades[e.label].solved for e in self._graded):
            following = first_open(self._syllabus.root, self._watched)
            rest = f" Next: {shown(following.path, self._syllabus.root)}" if following else ""
            screen.say(f"Solved.{rest}", "bold green")
        dot = screen.symbol("dot")
        screen.say(f"Waiting for you to save {_names(self._watched)} {dot} Ctrl-C stops", "dim")

    def end(self) -> None:
        """Leave nothing behind."""
        self._stop()
        self._results.unlink(missing_ok=True)
        self._results.parent.rmdir()

    def _stop(self) -> None:
        if self._run is not None:
            self._run.stop()
            self._run = None
        self._results.unlink(missing_ok=True)


def first_open(root: Path, exercises: Iterable[Exercise]) -> Exercise | None:
    """Return the first exercise that is not known to be solved, without grading any."""
    known = ((exercise, known_grade(root, exercise)) for exercise in exercises)
    return next((exercise for exercise, grade in known if not (grade and grade.solved)), None)


def _names(exercises: list[Exercise]) -> str:
    modules = sorted({exercise.module for exercise in exercises})
    if len(modules) > 1:
        return "any exercise"
    names = ", ".join(exercise.name for exercise in exercises)
    return f"{modules[0].partition('_')[0]} {names}"

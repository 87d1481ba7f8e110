"""`course watch`: grade again whenever a file is saved."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from autograder.course import screen
from autograder.course.choose import choose
from autograder.course.grade import grade_quietly, pytest_arguments, read_grades
from autograder.course.progress import first_unsolved, progress, remember
from autograder.course.root import find_root, shown
from autograder.course.syllabus import Exercise, Syllabus, read_syllabus
from autograder.course.warm import Run, start


def watch(typed: str | None) -> None:
    """Grade what was named, or whatever is being worked on, now and at every save, until Ctrl-C."""
    from watchfiles import watch as changes_in

    syllabus = read_syllabus(find_root())
    wanted = choose(syllabus, typed) if typed else syllabus.exercises
    session = Session(syllabus)
    try:
        session.grade(wanted if typed else _current(syllabus))
        for changes in changes_in(
            syllabus.root / "exercises",
            step=20,
            rust_timeout=100,
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

    def __init__(self, syllabus: Syllabus) -> None:
        self._syllabus = syllabus
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
        arguments = pytest_arguments(self._syllabus.root, exercises, self._results)
        self._run = start(self._syllabus.root, arguments)

    def look(self) -> None:
        """If the run has ended, remember its results and say what to do next."""
        if self._run is None or not self._run.finished():
            return
        self._run = None
        grades = read_grades(self._results)
        remember(self._syllabus.root, self._graded, grades)
        names = ", ".join(shown(e.path, self._syllabus.root) for e in self._graded)
        screen.say()
        if all(e.label in grades and grades[e.label].solved for e in self._graded):
            following = _current(self._syllabus)
            if following:
                names = shown(following[0].path, self._syllabus.root)
                screen.say(f"Solved. Next: {names}", "bold green")
        screen.say(f"Watching {names} {screen.symbol('dot')} Ctrl-C stops", "dim")

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


def _current(syllabus: Syllabus) -> list[Exercise]:
    grades = progress(syllabus, lambda missing: grade_quietly(syllabus.root, missing))
    current = first_unsolved(syllabus, grades)
    return [current] if current else syllabus.exercises[-1:]

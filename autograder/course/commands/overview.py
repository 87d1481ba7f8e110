"""`course`: the map with progress."""

from autograder.course import screen
from autograder.course.grade import grade_quietly
from autograder.course.progress import Grade, Grades, first_unsolved, progress
from autograder.course.root import find_root
from autograder.course.syllabus import PARTS, Module, Syllabus, read_syllabus

COMMANDS = ("next", "check", "watch", "hint", "explain", "doctor")


def show_map() -> None:
    """Print the map: parts, modules, a sign for each exercise, and what comes next."""
    syllabus = read_syllabus(find_root())
    grades = progress(syllabus, lambda missing: grade_quietly(syllabus.root, missing))
    screen.say(screen.both_ends("Callbacks to Sagas", _standing(syllabus, grades)), "bold")
    screen.say()
    for line in map_lines(syllabus, grades):
        screen.say(line)
    screen.say()
    screen.say(f" {screen.symbol('dot')} ".join(f"course {name}" for name in COMMANDS), "dim")


def _standing(syllabus: Syllabus, grades: Grades) -> str:
    solved = sum(grade.solved for grade in grades.values())
    following = first_unsolved(syllabus, grades)
    if following is None:
        rest = "all solved" if grades else "no exercises here yet"
    else:
        rest = f"next: {following.title}"
    return f"you: {solved} of {len(grades)} {screen.symbol('dot')} {rest}"


def map_lines(syllabus: Syllabus, grades: Grades) -> list[str]:
    """Return a line for each part that has modules here, wrapped to the screen's width."""
    lines = []
    for numeral, title, numbers in PARTS:
        here = [module for module in syllabus.modules if int(module.number) in numbers]
        cells = [_cell(module, grades) for module in here]
        head = f"  {numeral:<4} {title:<18}"
        while cells:
            row = [cells.pop(0)]
            while cells and len(head) + len(" ".join([*row, cells[0]])) + 1 <= screen.width():
                row.append(cells.pop(0))
            lines.append(f"{head} {' '.join(row)}")
            head = " " * len(head)
    return lines


def _cell(module: Module, grades: Grades) -> str:
    signs = "".join(_sign(grades[exercise.label]) for exercise in module.exercises)
    return f"{module.number} {signs}"


def _sign(grade: Grade) -> str:
    if grade.solved:
        return screen.symbol("done")
    return screen.symbol("begun" if grade.begun else "open")

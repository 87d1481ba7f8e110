"""What the shell offers when Tab is pressed. A broken tree offers nothing, and says nothing."""

from autograder.course.refusal import Refusal


def complete_exercise(incomplete: str) -> list[str]:
    """Modules, "03", and exercises, by label or by name."""
    from autograder.course.root import find_root
    from autograder.course.syllabus import read_syllabus

    try:
        syllabus = read_syllabus(find_root())
    except (Refusal, OSError):
        return []
    words = [module.number for module in syllabus.modules]
    for exercise in syllabus.exercises:
        words += [exercise.label, exercise.name]
    return [word for word in words if word.startswith(incomplete)]


def complete_mistake(incomplete: str) -> list[str]:
    """The names in the catalogue of mistakes."""
    from autograder.course.mistakes import all_mistakes
    from autograder.course.root import find_root

    try:
        names = [section.name for section in all_mistakes(find_root())]
    except (Refusal, OSError):
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_server(incomplete: str) -> list[str]:
    """The servers of the live runs."""
    from autograder.services.catalogue import SERVERS

    return [name for name in SERVERS if name.startswith(incomplete)]

"""From what a person typed to the modules and exercises that they meant."""

from pathlib import Path

from autograder.course.refusal import Refusal, did_you_mean
from autograder.course.syllabus import Exercise, Module, Syllabus


def choose(syllabus: Syllabus, typed: str) -> list[Exercise]:
    """Return the exercises meant by "03", "03/fetch_prices", "fetch_prices" or a path to a file.

    Raises:
        Refusal: there is no such module or exercise.
    """
    head, _, tail = _normalise(syllabus, typed).partition("/")
    if not tail and not head[:1].isdigit():
        return [_one(syllabus.exercises, head, typed)]
    module = _module(syllabus, head)
    if not tail:
        return list(module.exercises)
    return [_one(list(module.exercises), tail, typed)]


def choose_one(syllabus: Syllabus, typed: str) -> Exercise:
    """Return the single exercise meant.

    Raises:
        Refusal: there is no such exercise, or a whole module was named.
    """
    found = choose(syllabus, typed)
    if len(found) > 1:
        names = ", ".join(exercise.label for exercise in found)
        raise Refusal(f"{typed} is a whole module; name one of its exercises: {names}.")
    return found[0]


def _normalise(syllabus: Syllabus, typed: str) -> str:
    """Reduce a path to a stub or grader, however it was typed, to "03_async_await/name"."""
    exercises = syllabus.root / "exercises"
    for base in (Path.cwd(), syllabus.root):
        path = (base / typed).resolve()
        if path.exists() and path.is_relative_to(exercises) and path != exercises:
            typed = path.relative_to(exercises).as_posix()
            break
    parts = typed.strip("/").removeprefix("exercises/").split("/")[:2]
    if len(parts) == 2 or parts[0].endswith(".py"):
        parts[-1] = parts[-1].removesuffix(".py").removeprefix("test_")
    return "/".join(parts)


def _module(syllabus: Syllabus, typed: str) -> Module:
    number, _, rest = typed.partition("_")
    for module in syllabus.modules:
        same = number.isdigit() and int(number) == int(module.number)
        if same and module.folder.name.partition("_")[2].startswith(rest):
            return module
    here = ", ".join(m.folder.name for m in syllabus.modules) or "none yet"
    raise Refusal(f"There is no module {typed} here. The modules are: {here}.")


def _one(exercises: list[Exercise], name: str, typed: str) -> Exercise:
    matches = [exercise for exercise in exercises if exercise.name == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        labels = " or ".join(exercise.label for exercise in matches)
        raise Refusal(f"{typed} is in more than one module: say {labels}.")
    near = did_you_mean(name, [exercise.name for exercise in exercises])
    if not near and exercises:
        near = f" There are: {', '.join(exercise.name for exercise in exercises)}."
    raise Refusal(f"There is no exercise {typed}.{near}")

"""The tree is the syllabus: every part is in its place, and imports run one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.course.hints import read_hints
from autograder.course.syllabus import Exercise, read_syllabus

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = read_syllabus(ROOT).exercises
LAYERS = ("simulation", "services", "grading", "course")
MOST_LINES = 420  # "about 400": past this a file does more than one job
FEWEST_WRONG, FEWEST_RIGHT = 3, 1

each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.label)
each_layer = pytest.mark.parametrize("layer", LAYERS)


def test_there_are_exercises() -> None:
    assert EXERCISES


@each_exercise
def test_an_exercise_has_all_its_parts(exercise: Exercise) -> None:
    module, name = exercise.module, exercise.name
    suffix = "" if exercise.in_folder else ".py"
    parts = (
        f"exercises/{module}/{name}{suffix}",
        f"solutions/{module}/{name}{suffix}",
        f"lessons/{module}.md",
        f"notebooks/{module}.ipynb",
    )
    missing = [part for part in parts if not (ROOT / part).exists()]
    assert not missing, f"{exercise.label} lacks {', '.join(missing)}"


@each_exercise
def test_an_exercise_has_hints(exercise: Exercise) -> None:
    assert read_hints(exercise)


@each_exercise
@pytest.mark.parametrize(("kind", "fewest"), [("wrong", FEWEST_WRONG), ("right", FEWEST_RIGHT)])
def test_an_exercise_has_submissions_to_try_its_grader_on(
    exercise: Exercise, kind: str, fewest: int
) -> None:
    folder = ROOT / "tests" / kind / exercise.module / exercise.name
    found = submissions(folder)
    assert len(found) >= fewest, f"{folder}: {len(found)} {kind} submissions, at least {fewest}"


@pytest.mark.parametrize("kind", ["wrong", "right"])
def test_every_submission_belongs_to_an_exercise(kind: str) -> None:
    known = {(exercise.module, exercise.name) for exercise in EXERCISES}
    folders = [path for path in (ROOT / "tests" / kind).glob("*/[!_.]*") if submissions(path)]
    strays = [path for path in folders if (path.parent.name, path.name) not in known]
    assert not strays, f"no exercise is called so: {', '.join(map(str, strays))}"


def submissions(folder: Path) -> list[Path]:
    """Each is a file, or a folder for an exercise of several files."""
    return [path for path in folder.glob("[!_.]*") if path.is_dir() or path.suffix == ".py"]


@each_layer
def test_imports_run_one_way(layer: str) -> None:
    above = LAYERS[LAYERS.index(layer) + 1 :]
    wrong = [
        f"{place} imports {name}"
        for place, name, _ in imports_of(ROOT / "autograder" / layer)
        for other in above
        if f"{name}.".startswith(f"autograder.{other}.")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_simulation_imports_only_the_standard_library() -> None:
    wrong = [
        f"{place} imports {name}"
        for place, name, late in imports_of(ROOT / "autograder" / "simulation")
        if not name.startswith("autograder.simulation")
        and name.partition(".")[0] not in sys.stdlib_module_names
        and not (late and place.startswith("network/"))
        and not place.startswith("servers/")
    ]
    assert not wrong, "\n".join(wrong)


def test_simulated_servers_are_imported_late() -> None:
    """They need the libraries of their protocols, which not every run has to load."""
    wrong = [
        f"{layer}/{place} imports {name}"
        for layer in LAYERS
        for place, name, late in imports_of(ROOT / "autograder" / layer)
        if name.startswith("autograder.simulation.servers") and not late
        if not (layer == "simulation" and place.startswith("servers/"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ["autograder.simulation", "autograder.grading.plugin"])
def test_what_every_run_imports_leaves_heavy_things_alone(package: str) -> None:
    heavy = {"aiohttp", "websockets", "bs4", "rich", "typer", "watchfiles"}
    show = f"import sys, {package}; print(*({heavy} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.split() == []


def test_no_file_does_too_many_jobs() -> None:
    folders = ("autograder", "exercises", "solutions", "tests", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files}
    long = [f"{p.relative_to(ROOT)}: {n} lines" for p, n in lengths.items() if n > MOST_LINES]
    assert not long, "\n".join(long)


def imports_of(package: Path) -> Iterator[tuple[str, str, bool]]:
    """Every import in a package: "file:line", the full name, and whether it is inside a function.

    What is imported for the type checker only is left out.
    """
    for path in package.rglob("*.py"):
        where = path.relative_to(package).as_posix()
        parents = path.relative_to(ROOT).with_suffix("").parts
        tree = ast.parse(path.read_text("utf-8"))
        for node, late in walk(tree):
            for name in names_imported(node, parents):
                yield f"{where}:{node.lineno}", name, late


def walk(node: ast.AST, late: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements below a node; ``late`` are those that run only in a call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(child, ast.stmt):
            yield child, late
        yield from walk(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def names_imported(node: ast.stmt, parents: tuple[str, ...]) -> list[str]:
    """What a statement imports, with relative names made absolute."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level == 0:
        base = node.module or ""
    else:
        base = ".".join([*parents[: -node.level], *filter(None, [node.module])])
    if base == "autograder":
        return [f"{base}.{alias.name}" for alias in node.names]
    return [base]

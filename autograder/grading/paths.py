"""What a person types for a test: `exercises/03`, `03/fetch_prices`, the stub itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from . import tree


class UnknownPath(Exception):
    """There is no such module or exercise; one sentence that says what there is."""


def resolve(argument: str, here: Path, root: Path) -> list[str]:
    """The pytest arguments that one argument means.

    `here` is the folder it was typed in, `root` that of the course. What exists and is no stub,
    and what does not look like a part of the course, stays as it is.

    Raises:
        UnknownPath: it looks like a part of the course, and there is no such part.
    """
    typed, separator, test = argument.partition("::")
    unknown: UnknownPath | None = None
    for place in _places(typed, here, root):
        if place.exists() and not _is_stub(place, root):
            # Arguments that pytest understands stay as they were typed.
            if place == _normal(here / typed):
                return [argument]
            return [f"{place}{separator}{test}"]
        if place.is_relative_to(root / "exercises"):
            try:
                found = _graders(place.relative_to(root / "exercises").parts, typed, root)
            except UnknownPath as error:
                unknown = unknown or error
            else:
                found = _with_test(found, test)
                return [f"{path}{separator}{test}" for path in found]
    if unknown is not None:
        raise unknown
    return [argument]


def _places(typed: str, here: Path, root: Path) -> Iterable[Path]:
    """What the path may stand for, likeliest first: seen from here, the root, the exercises."""
    bases = [here, root]
    if re.match(r"\d", typed):
        bases.append(root / "exercises")
    return dict.fromkeys(_normal(base / typed) for base in bases)


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _is_stub(path: Path, root: Path) -> bool:
    inside = path.is_file() and path.is_relative_to(root / "exercises")
    return inside and tree.is_stub(path)


def _graders(parts: tuple[str, ...], typed: str, root: Path) -> list[Path]:
    if not parts:
        return [root / "exercises"]
    module = _module(parts[0], typed, root)
    if len(parts) == 1:
        return [module]
    known = tree.exercises(module)
    name = parts[1].removesuffix(".py").removeprefix("test_")
    for exercise, graders in known.items():
        if exercise.name != name:
            continue
        if len(parts) == 2:
            return graders
        # A file in an exercise's folder: one grader, or a stub, which all of them grade.
        return [path for path in graders if path.name == parts[-1]] or graders
    grader = module / f"test_{name}.py"
    if len(parts) == 2 and grader.is_file():
        return [grader]
    names = [exercise.name for exercise in known]
    raise UnknownPath(
        f"{module.name} has no exercise {name!r}.{_did_you_mean(name, names)} "
        f"It has: {', '.join(names) or 'none yet'}."
    )


def _with_test(graders: list[Path], test: str) -> list[Path]:
    """Of several graders, the one that a test is in."""
    name = re.escape(test.partition("[")[0].rpartition("::")[2])
    if len(graders) == 1 or not name:
        return graders
    defined = re.compile(rf"^\s*(?:async )?def {name}\(", re.MULTILINE)
    holding = [path for path in graders if defined.search(path.read_text("utf-8", "replace"))]
    return holding or graders


def _module(typed: str, argument: str, root: Path) -> Path:
    number, _, rest = typed.partition("_")
    known = list(tree.modules(root))
    for module in known:
        its_number, _, its_name = module.name.partition("_")
        if number.isdecimal() and int(number) == int(its_number) and its_name.startswith(rest):
            return module
    names = [module.name for module in known]
    raise UnknownPath(
        f"There is no module {typed!r} here (from {argument!r}).{_did_you_mean(typed, names)} "
        f"The modules are: {', '.join(names)}."
    )


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word.lower(), list(known), n=2)
    return f" Did you mean {' or '.join(near)}?" if near else ""

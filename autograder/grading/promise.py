"""What an exercise's brief promises: the functions of its stub, and how they are called.

The solution has the same signatures as the stub and no learner edits it, so it is asked first; then
the stub as the course ships it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from . import stubs, tree

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Function:
    """One function or method of a file, "fetch" or "Shop.buy".

    Attributes:
        kind: "async def", "def" or "async generator".
        signature: its parameters, as written.
        line: of its definition.
        to_write: True if its body only raises NotImplementedError; a generator's has a yield
            behind that, which is never reached.
        body: equal for bodies that differ in nothing but comments and layout.
    """

    name: str
    kind: str
    signature: str
    line: int
    to_write: bool
    body: str


def functions(path: Path) -> dict[str, Function]:
    """The functions of a file; none if it cannot be read."""
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return {}


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> dict[str, Function]:
    return parse(path.read_bytes())


def parse(source: bytes) -> dict[str, Function]:
    """The functions of a Python source, methods as "Class.method"."""
    return {function.name: function for function in _functions(ast.parse(source), "")}


def _functions(node: ast.AST, prefix: str) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Definition):
            yield _describe(child, prefix + child.name)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _describe(node: _Definition, name: str) -> Function:
    kind = "def"
    if isinstance(node, ast.AsyncFunctionDef):
        kind = "async generator" if _yields(node) else "async def"
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return Function(
        name=name,
        kind=kind,
        signature=f"{name}({ast.unparse(node.args)})",
        line=node.lineno,
        to_write=bool(body)
        and _raises_not_implemented(body[0])
        and all(_is_bare_yield(statement) for statement in body[1:]),
        body="\n".join(ast.dump(statement) for statement in body),
    )


def _yields(node: _Definition) -> bool:
    todo: list[ast.AST] = list(node.body)
    while todo:
        inner = todo.pop()
        if isinstance(inner, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(inner, _Definition | ast.Lambda | ast.ClassDef):
            todo += ast.iter_child_nodes(inner)
    return False


def _is_bare_yield(statement: ast.stmt) -> bool:
    """True for a line that does no more than to make its function a generator."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Yield)
        and statement.value.value is None
    )


def _raises_not_implemented(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Raise):
        return False
    raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def promised(root: Path, inside: str) -> dict[str, Function]:
    """The functions that a file has to have; `inside` is its path seen from `exercises/`."""
    found = functions(root / "solutions" / inside)
    return found or _shipped(root, inside)


def _shipped(root: Path, inside: str) -> dict[str, Function]:
    """The functions of the stub as the course shipped it; none if it cannot be found."""
    source = stubs.shipped(root, inside)
    try:
        return parse(source) if source is not None else {}
    except (SyntaxError, ValueError, RecursionError):
        return {}


def is_untouched(root: Path, inside: str, path: Path) -> bool:
    """True if everything that was to be written in a file still is.

    A function that is the same in the solution or in the stub was given, not left to write.
    """
    written = functions(path)
    if not any(function.to_write for function in written.values()):
        return False
    working = [f for f in written.values() if f.body and not f.to_write]
    for known in (promised, _shipped):
        if working:
            given = known(root, inside)
            working = [f for f in working if f.name not in given or given[f.name].body != f.body]
    return not working


def is_as_given(root: Path, inside: str, path: Path) -> bool:
    """True if the functions of a file are those that the course shipped."""
    written, shipped = functions(path), _shipped(root, inside)
    bodies = {name: function.body for name, function in written.items()}
    return bool(shipped) and bodies == {name: f.body for name, f in shipped.items()}


def names_without_await(written: dict[str, Function], expected: dict[str, Function]) -> list[str]:
    """What is `async def` in the brief and a plain function in the file."""
    return [
        name
        for name, function in expected.items()
        if function.kind == "async def" and name in written and written[name].kind == "def"
    ]


def where(exercise: tree.Exercise, path: Path, submission: Path) -> str:
    """A learner's file as seen from `exercises/`; `submission` is the exercise's own path."""
    if not exercise.folder:
        return exercise.file
    return f"{exercise.file}/{path.relative_to(submission).as_posix()}"

"""Which names a line of source reads and writes that another task could see.

A local variable is a task's own; an attribute, a global, a variable of an enclosing function and
what a parameter refers to may be shared. That is a reading of the text, not a proof: it decides
what a timeline shows first, never what is right or wrong.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
MUTATORS = {
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("popleft", "remove", "setdefault", "sort", "update"),
}


@dataclass(slots=True)
class Touch:
    """What one line does with shared names; attributes are named by their last part (".stock").

    `late` is written only when the await on the line is over, in a later step.
    """

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)


NOTHING = Touch()


def source_lines(file: str) -> list[str]:
    """The lines of a file, or none if it cannot be read."""
    try:
        return linecache.getlines(file)
    except (OSError, SyntaxError, ValueError):  # the last: a name that no file can have
        return []


def touches(file: str | None, line: int | None) -> Touch:
    """What `line` (1-based) of `file` touches; nothing if the file cannot be read or parsed."""
    return _read(file).lines.get(line or 0, NOTHING)


def function_at(file: str | None, line: int | None) -> tuple[str, int]:
    """Which function `line` of `file` belongs to: the file and its first line, 0 for none."""
    return file or "", _read(file).functions.get(line or 0, 0)


_latest: dict[str, tuple[list[str], _Reader]] = {}


def _read(file: str | None) -> _Reader:
    if not file:
        return _of_source("")
    # Asked of every line that was run, thousands of times: so the text is not put together again
    # as long as its lines are the same list.
    lines, known = source_lines(file), _latest.get(file)
    if known is None or known[0] is not lines:
        known = _latest[file] = lines, _of_source("".join(lines))
    return known[1]


@lru_cache(maxsize=8)
def _of_source(source: str) -> _Reader:
    try:
        reader = _Reader()
        reader.visit(ast.parse(source))
        return reader
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Reader()


class _Reader(ast.NodeVisitor):
    """Walks a module once and notes down, line by line, what is touched."""

    def __init__(self) -> None:
        self.lines: dict[int, Touch] = {}
        self.functions: dict[int, int] = {}  # by line; inner functions overwrite outer ones
        self.private: list[frozenset[str]] = [frozenset()]  # per function: names nobody else sees
        self.made: list[frozenset[str]] = [frozenset()]  # those that are not even parameters
        self.awaits: ast.stmt | None = None  # the assignment with an await in it that we are in

    def _function(self, node: Function) -> None:
        if not isinstance(node, ast.Lambda):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            self.functions.update(dict.fromkeys(lines, node.lineno))
        parameters = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        bound, seen_inside = _bound(node), _used_by_inner(node)
        own = frozenset((bound | parameters) - seen_inside)
        self.private.append(own)
        self.made.append(own - parameters)
        self.generic_visit(node)
        self.private.pop()
        self.made.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def _assignment(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> None:
        if node.value is not None and any(isinstance(n, ast.Await) for n in _own_nodes(node.value)):
            self.awaits = node
        self.generic_visit(node)
        self.awaits = None

    visit_Assign = visit_AnnAssign = _assignment

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._note(node.target, read=True)
        self._assignment(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._note(node, read=isinstance(node.ctx, ast.Load))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._note(node, read=isinstance(node.ctx, ast.Load))
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        read = isinstance(node.ctx, ast.Load)
        self._note(node, read=read)
        self.visit(node.slice)
        if read or not isinstance(node.value, ast.Name):
            self.visit(node.value)  # `cache[key] = x` does not look at what the cache holds

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            self._note(node.func.value, read=False, inside=True)
        self.generic_visit(node)

    def _note(self, node: ast.expr, *, read: bool, inside: bool = False) -> None:
        """`inside`: the thing that is named changes, the name goes on meaning the same thing."""
        while isinstance(node, ast.Subscript):
            node, inside = node.value, True
        name = _name(node)
        if name is None or name in (self.made if inside else self.private)[-1]:
            return
        if read:
            self._line(node.lineno).reads.add(name)
        elif self.awaits is None:
            self._line(node.lineno).writes.add(name)
        else:
            for line in range(self.awaits.lineno, (self.awaits.end_lineno or node.lineno) + 1):
                self._line(line).late.add(name)

    def _line(self, number: int) -> Touch:
        return self.lines.setdefault(number, Touch())


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return f".{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and what is in it, but not what runs later, in functions defined there."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS):
            yield from _own_nodes(child)


def _body(function: Function) -> list[ast.AST]:
    return [function.body] if isinstance(function, ast.Lambda) else list(function.body)


def _bound(function: Function) -> set[str]:
    """Names that assignments, loops, imports and definitions make local to `function`."""
    bound: set[str] = set()
    elsewhere: set[str] = set()
    for part in _body(function):
        for node in () if isinstance(part, FUNCTIONS) else _own_nodes(part):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                elsewhere.update(node.names)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound.add(node.name)
    return bound - elsewhere


def _used_by_inner(function: Function) -> set[str]:
    """Names that functions inside `function` take from outside themselves."""
    used: set[str] = set()
    for inner in ast.walk(function):
        if inner is function or not isinstance(inner, FUNCTIONS):
            continue
        parameters = {a.arg for a in ast.walk(inner.args) if isinstance(a, ast.arg)}
        names = {n.id for part in _body(inner) for n in ast.walk(part) if isinstance(n, ast.Name)}
        used |= names - _bound(inner) - parameters
    return used

"""Tell a stub that nobody has begun from an answer, without running either."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Shape:
    """The functions of a file, as "scrape" or "Shop.buy": those still to write, those that work.

    A function whose body is only `...`, as in a Protocol, is neither.
    """

    to_write: frozenset[str]
    working: frozenset[str]

    @property
    def all_to_write(self) -> bool:
        """Whether there is something to write and nothing but that."""
        return bool(self.to_write) and not self.working


def shape(source: bytes) -> Shape | None:
    """Return the shape of a Python source, or None if it cannot be parsed."""
    tree = _parse(source)
    if tree is None:
        return None
    to_write, working = set(), set()
    for name, function in _functions(tree, ""):
        if _is_stub(function):
            to_write.add(name)
        elif _statements(function):
            working.add(name)
    return Shape(frozenset(to_write), frozenset(working))


def same_code(one: bytes, other: bytes) -> bool:
    """Whether two sources differ in nothing but comments and layout."""
    first, second = _parse(one), _parse(other)
    return first is not None and second is not None and ast.dump(first) == ast.dump(second)


def _parse(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield prefix + child.name, child
        inner = f"{prefix}{child.name}." if isinstance(child, _Function | ast.ClassDef) else prefix
        yield from _functions(child, inner)


def _statements(function: _Function) -> list[ast.stmt]:
    """The body without its docstring and without bare `...`."""
    return [
        statement
        for statement in function.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]


def _is_stub(function: _Function) -> bool:
    """Whether the body only raises NotImplementedError."""
    match _statements(function):
        case [ast.Raise(exc=ast.Name(id="NotImplementedError"))]:
            return True
        case [ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")))]:
            return True
    return False

"""Is an answer the reference solution, renamed or laid out anew?

Two programs are compared as sets of functions. In each function, names that it binds itself are
numbered in order of appearance, and docstrings, annotations and comments are left out. What is
flagged is never punished: two people can write the same ten lines.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

FEWEST_NODES = 60
"""Below this size of what was to be written, likeness says nothing."""
_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def resembles(answer: Iterable[bytes], solution: Iterable[bytes], stub: Iterable[bytes]) -> bool:
    """True if the functions of an answer are those of a solution, but for what the stub gave.

    Each is the sources of an exercise's files. What is no Python resembles nothing.
    """
    given = _shapes(stub)
    theirs, ours = _shapes(answer) - given, _shapes(solution) - given
    size = sum(len(shape.split("(")) * count for shape, count in ours.items())
    return size >= FEWEST_NODES and not ours - theirs


def _shapes(sources: Iterable[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for source in sources:
        try:
            tree = ast.parse(source)
            found.update(_shape(function) for function in _outermost(tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return found


def _outermost(node: ast.AST) -> Iterator[_Definition]:
    """Functions and methods that are in no other function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Definition):
            yield child
        else:
            yield from _outermost(child)


def _shape(function: _Definition) -> str:
    """Equal for functions that differ in names of their own, annotations and docstrings only."""
    renamed = _Renamed(_bound(function))
    return ast.dump(renamed.visit(ast.parse(ast.unparse(function))))


def _bound(function: _Definition) -> set[str]:
    """The names that a function gives to things, or one inside it: they may be called anything."""
    names = {function.name}
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, _Definition | ast.ClassDef | ast.ExceptHandler):
            names.add(node.name or "")
    return names


class _Renamed(ast.NodeTransformer):
    def __init__(self, bound: set[str]) -> None:
        self._bound = bound
        self._numbers: dict[str, str] = {}

    def _name(self, name: str) -> str:
        # A private helper of the module or of self may be called anything, too.
        if name not in self._bound and not (name.startswith("_") and not name.startswith("__")):
            return name
        return self._numbers.setdefault(name, f"n{len(self._numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr.startswith("_") and not node.attr.startswith("__"):
            node.attr = self._name(node.attr)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._name(node.arg), None
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._name(node.name) if node.name else None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._name(node.name)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: _Definition) -> ast.AST:
        node.name, node.returns = self._name(node.name), None
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node

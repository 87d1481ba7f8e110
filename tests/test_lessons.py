"""The snippets of the lessons run as printed, and print what the lesson says they print.

A lesson's blocks marked ``python`` run in order, in one namespace and one simulated world, so a
snippet may await and sleep. A block marked ``python no-run`` is only for reading. A block marked
``text`` right after a snippet is its output; ``...`` in it stands for anything.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import importlib
import inspect
import io
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.simulation import Plan, World, run_world

LESSONS = sorted(Path(__file__).resolve().parent.parent.glob("lessons/*.md"))
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS_FOR_A_STEP = 60  # of real time: a snippet may import a large library
PROSE_BETWEEN = 1  # lines that may stand between a snippet and its output ("It prints:")

REDIS = "redis://127.0.0.1:6379/0"
"""The address of a Redis in a lesson: a simulated one, and in live tests a real one elsewhere."""
AMQP = "amqp://guest:guest@127.0.0.1:5672/"
"""The address of a RabbitMQ in a lesson: a simulated one; a real one elsewhere in live tests."""

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)


@dataclass
class Snippet:
    """A block of Python in a lesson: ``line`` is where its first line stands, from 1."""

    source: str
    line: int
    printed: str | None = None


def snippets_of(text: str) -> list[Snippet]:
    """The snippets of a lesson that are to run, each with the output shown for it, if any."""
    found: list[Snippet] = []
    awaiting, end = None, 0
    for fence in FENCE.finditer(text):
        kind = fence["info"].strip()
        between = text[end : fence.start()].strip().splitlines()
        if kind == "python":
            awaiting = Snippet(fence["body"], text.count("\n", 0, fence.start("body")) + 1)
            found.append(awaiting)
        elif kind == "text" and awaiting is not None and len(between) <= PROSE_BETWEEN:
            awaiting.printed = fence["body"]
            awaiting = None
        else:
            awaiting = None
        end = fence.end()
    return found


class AwaitInsteadOfRun(ast.NodeTransformer):
    """Turns ``asyncio.run(main())`` of a script into ``await main()``: a loop runs already."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.func) == "asyncio.run":
            return ast.copy_location(ast.Await(node.args[0]), node)
        return node


async def run(snippet: Snippet, filename: str, namespace: dict[str, object]) -> str:
    """Run a snippet; what it printed."""
    tree = AwaitInsteadOfRun().visit(ast.parse(snippet.source, filename))
    ast.increment_lineno(tree, snippet.line - 1)
    code = compile(tree, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        pending = eval(code, namespace)
        if inspect.iscoroutine(pending):
            await pending
    return printed.getvalue()


async def run_all(lesson: Path, snippets: list[Snippet]) -> list[str]:
    """Run the snippets of a lesson in one namespace; what each printed."""
    module = types.ModuleType(f"lesson_{lesson.stem}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        return [await run(snippet, str(lesson), vars(module)) for snippet in snippets]


def compare(lesson: Path, snippets: list[Snippet], printed: list[str]) -> None:
    check = doctest.OutputChecker().check_output
    for snippet, got in zip(snippets, printed, strict=True):
        shown = snippet.printed
        assert shown is None or check(shown, got, doctest.ELLIPSIS), (
            f"{lesson.name}, line {snippet.line}: the lesson shows\n{shown}\n"
            f"but the snippet prints\n{got}"
        )


def import_first(snippets: list[Snippet]) -> None:
    """Import what snippets import: a world stands in for a library's threads when it begins."""
    for snippet in snippets:
        for node in ast.walk(ast.parse(snippet.source)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)


@each_lesson
def test_snippets_run_and_print_what_is_shown(lesson: Path) -> None:
    text = lesson.read_text("utf-8")
    snippets = snippets_of(text)
    import_first(snippets)

    async def program(world: World) -> list[str]:
        if REDIS in text:
            from autograder.simulation.servers.redis import RedisServer

            RedisServer(world, "127.0.0.1")
        if AMQP in text:
            from autograder.simulation.servers.amqp import AmqpBroker

            AmqpBroker(world, "127.0.0.1")
        return await run_all(lesson, snippets)

    outcome = run_world(program, plan=Plan(wall=SECONDS_FOR_A_STEP))
    if outcome.error is not None:
        raise outcome.error
    assert outcome.result is not None, f"{lesson.name} did not end: {outcome.problems}"
    compare(lesson, snippets, outcome.result)


@each_lesson
@pytest.mark.live
def test_snippets_print_the_same_on_real_asyncio(
    lesson: Path, request: pytest.FixtureRequest
) -> None:
    text = lesson.read_text("utf-8")
    if REDIS in text:
        text = text.replace(REDIS, request.getfixturevalue("redis_url"))
    if AMQP in text:
        text = text.replace(AMQP, request.getfixturevalue("amqp_url"))
    snippets = snippets_of(text)
    compare(lesson, snippets, asyncio.run(run_all(lesson, snippets)))


def test_a_lessons_output_is_compared() -> None:
    text = (
        "```python\nprint(1)\n```\n\nIt prints:\n\n```text\n2\n```\n\n```python no-run\n1/0\n```\n"
    )
    assert snippets_of(text) == [Snippet("print(1)\n", 2, "2\n")]


def test_text_further_below_is_no_output() -> None:
    text = "```python\nprint(1)\n```\n\nOne.\n\nTwo.\n\n```text\na drawing\n```\n"
    assert snippets_of(text) == [Snippet("print(1)\n", 2, None)]


def test_a_snippet_that_is_only_for_reading_does_not_run() -> None:
    assert snippets_of("```python no-run\n1 / 0\n```\n") == []

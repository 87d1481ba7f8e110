"""What a brief promises, and whether anybody has begun to keep it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autograder.grading import promise, stubs

STUB = """
class Pool:
    def __init__(self, size):
        self.size = size

    async def take(self):
        '''Take one.'''
        raise NotImplementedError

    async def all(self):
        yield NotImplemented


def given():
    return 1


def given_too():
    return 2
"""
SOLUTION = STUB.replace("raise NotImplementedError", "return self.size").replace(
    "self.size = size", "self.size = size\n        self.idle = []"
)
INSIDE = "05_x/pool.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A course in git, with a stub and a solution whose constructor does more than the stub's."""
    write(tmp_path, "solutions", SOLUTION)
    write(tmp_path, "exercises", STUB)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def write(root: Path, tree: str, text: str) -> Path:
    path = root / tree / INSIDE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    stubs.shipped.cache_clear()
    return path


def commit(root: Path) -> None:
    git(root, "add", ".")
    git(root, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def untouched(root: Path) -> bool:
    return promise.is_untouched(root, INSIDE, root / "exercises" / INSIDE)


def test_functions_are_read_without_being_run() -> None:
    found = promise.parse(STUB.encode())
    assert {name: f.kind for name, f in found.items()} == {
        "Pool.__init__": "def",
        "Pool.take": "async def",
        "Pool.all": "async generator",
        "given": "def",
        "given_too": "def",
    }
    assert found["Pool.take"].to_write
    assert found["Pool.take"].signature == "Pool.take(self)"
    assert not found["given"].to_write


def test_a_stub_with_given_parts_is_untouched(root: Path) -> None:
    assert untouched(root)
    write(root, "exercises", STUB.replace("raise Not", "# soon\n        raise Not"))
    assert untouched(root)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 1", "return 3"),
        ("raise NotImplementedError", "pass"),
        ("def given():", "def helper():\n    return 0\n\n\ndef given():"),
    ],
)
def test_a_stub_that_was_changed_is_begun(root: Path, old: str, new: str) -> None:
    write(root, "exercises", STUB.replace(old, new))
    assert not untouched(root)


def test_an_answer_that_was_committed_is_no_stub(root: Path) -> None:
    half = STUB + "\n\ndef more():\n    raise NotImplementedError\n"
    write(root, "exercises", half)
    commit(root)
    assert untouched(root)
    write(
        root, "exercises", half.replace("        raise Not", "        return 1\n        raise Not")
    )
    commit(root)
    assert not untouched(root)


def test_a_generator_that_never_gets_to_its_yield_is_left_to_write(root: Path) -> None:
    stub = "async def follow():\n    raise NotImplementedError\n    yield\n"
    for text in (stub, f"# told better\n{stub}", stub.replace("raise NotImpl", "return\n    # ")):
        write(root, "exercises", text)
        commit(root)
    shipped = stubs.shipped(root, INSIDE)
    assert shipped is not None
    assert shipped.startswith(b"# told better")
    assert promise.parse(shipped)["follow"].kind == "async generator"


def test_a_file_with_nothing_to_write_is_as_given_until_it_is_changed(root: Path) -> None:
    path = write(root, "exercises", "def f():\n    return 1\n")
    assert not promise.is_as_given(root, INSIDE, path)
    other = root / "exercises" / "05_x" / "shop.py"
    other.write_text("def f():\n    return 1\n")
    commit(root)
    stubs.shipped.cache_clear()
    assert promise.is_as_given(root, "05_x/shop.py", other)
    other.write_text("def f():\n    return 2\n")
    commit(root)
    stubs.shipped.cache_clear()
    assert not promise.is_as_given(root, "05_x/shop.py", other)


def test_the_signatures_come_from_the_solution_else_from_the_stub(root: Path) -> None:
    assert promise.promised(root, INSIDE).keys() == promise.parse(STUB.encode()).keys()
    (root / "solutions" / INSIDE).unlink()
    assert promise.promised(root, INSIDE)["Pool.take"].to_write
    assert promise.promised(root, "05_x/none.py") == {}


def test_a_file_that_cannot_be_read_has_no_functions(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    assert promise.functions(path) == {}
    path.write_text("def (:")
    assert promise.functions(path) == {}

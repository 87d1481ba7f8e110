"""A small course in a temporary folder, and a grader that reads its verdict off the file."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.course import grade as grading
from autograder.course import screen
from autograder.course.app import app
from autograder.course.progress import Grade, Grades
from autograder.course.syllabus import Exercise
from autograder.grading import mistakes

STUB = '"""{title}.\n\nRules\n"""\n\n\ndef {name}() -> int:\n    raise NotImplementedError\n'
GIVEN = "\n\ndef given() -> int:\n    return 1\n"
FILES = {
    "lessons/01_callbacks.md": "# 01 · callbacks\n\n## `later`\n\n## `emitter`\n",
    "lessons/03_async_await.md": "# async/await\n\nFirst `fetch_prices`, then `scraper`.\n",
    "lessons/mistakes.md": (
        "# Mistakes\n\n### never-awaited\n\nA coroutine was made and never run. Await it.\n\n"
        "```python\nfetch()\n```\n\n### lock-order\n\nTwo locks, two orders.\n"
    ),
    "exercises/01_callbacks/emitter.py": STUB.format(title="Emit", name="emit"),
    "exercises/01_callbacks/test_emitter.py": "",
    "exercises/01_callbacks/later.py": STUB.format(title="Later", name="later"),
    "exercises/01_callbacks/test_later.py": "",
    "exercises/01_callbacks/hints/later.md": "# Hints\n\n## Begin\n\nSo.\n\n## Go on\n\nThen so.\n",
    "exercises/03_async_await/fetch_prices.py": STUB.format(title="Fetch", name="fetch") + GIVEN,
    "exercises/03_async_await/test_fetch_prices.py": "",
    "exercises/03_async_await/scraper.py": STUB.format(title="Scrape", name="scrape"),
    "exercises/03_async_await/test_scraper.py": "",
    "exercises/03_async_await/test_scraper_parsing.py": "",
    "exercises/05_shared_state/hunt/shop.py": "def buy():\n    return 2\n",
    "exercises/05_shared_state/hunt/regression.py": STUB.format(title="Hunt", name="check"),
    "exercises/05_shared_state/hunt/test_hunt.py": "",
    "solutions/01_callbacks/later.py": '"""Other."""\n\n\ndef later() -> int:\n    return 3\n',
    "pyproject.toml": "[project]\ndependencies = []\n",
    ".gitignore": ".course/\n*.new\n",
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same terminal and the same git everywhere, whoever runs the tests."""
    (tmp_path / "home").mkdir()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "home" / "gitconfig"))
    monkeypatch.setattr(screen, "activation", lambda: None)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of three modules, no clone; it is the current folder."""
    folder = tmp_path / "course"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    monkeypatch.delenv("COURSE_ROOT", raising=False)
    monkeypatch.setattr(mistakes, "_root", None)  # what a command sets it to ends with the test
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Grading without pytest: an answer with "# 2 of 3" in it holds 2 of 3 requirements.

    Returns the labels of the exercises of each grading run, in order.
    """
    made: list[list[str]] = []

    def run(root: Path, exercises: list[Exercise], *, quiet: bool) -> Grades:
        made.append([exercise.label for exercise in exercises])
        if not quiet:
            print("(the grader's report)")
        return {exercise.label: _verdict(exercise) for exercise in exercises}

    monkeypatch.setattr(grading, "_run", run)
    return made


def _verdict(exercise: Exercise) -> Grade:
    text = "".join(path.read_text("utf-8") for path in exercise.files())
    found = re.search(r"# (\d+) of (\d+)", text)
    return Grade(int(found[1]), int(found[2])) if found else Grade(0, 3, begun=False)


Course = Callable[..., tuple[int, str]]


@pytest.fixture
def course(root: Path, runs: list[list[str]]) -> Course:
    """Types a `course` command: course("check", "03") returns its exit status and its output."""

    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments), prog_name="course")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture
def answer(root: Path) -> Callable[[str, str], Path]:
    """Writes an answer: answer("01_callbacks/later", "3 of 3")."""

    def write(exercise: str, verdict: str) -> Path:
        path = root / "exercises" / f"{exercise}.py"
        path.write_bytes(f"def done() -> int:\n    return 1  # {verdict}\n".encode())
        return path

    return write


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody with a name."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "Change") -> None:
    """Commit everything that is in a folder."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)

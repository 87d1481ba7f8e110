"""What learners get works alone, gives nothing away, and what is made of it grades here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"fetch_prices": "03_async_await", "emitter": "01_callbacks"}


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The edition of this course."""
    folder = tmp_path_factory.mktemp("edition") / "course"
    done = course("export", str(folder), here=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


def course(*arguments: str, here: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COURSE_ROOT": str(here), "PYTHONPATH": str(here)}
    return subprocess.run(
        [sys.executable, "-m", "autograder.course.app", *arguments],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_answers_are_in_it(edition: Path) -> None:
    assert {path.name for path in edition.iterdir()} & {"solutions", "tests", "benchmarks"} == set()
    solutions = {path.read_bytes() for path in (ROOT / "solutions").rglob("*.py")}
    given = {path.read_bytes() for path in (ROOT / "exercises").rglob("*.py")}
    found = {path for path in edition.rglob("*.py") if path.read_bytes() in solutions - given}
    assert found == set()


def test_its_links_lead_somewhere(edition: Path) -> None:
    from autograder.course.exporting import _LINK

    dead = [
        f"{page.relative_to(edition)}: {link['target']}"
        for page in edition.rglob("*.md")
        for link in _LINK.finditer(page.read_text("utf-8"))
        if not (page.parent / link["target"]).exists() and "://" not in link["target"]
    ]
    assert not dead, "\n".join(dead)


def test_what_is_for_authors_only_is_left_out(edition: Path) -> None:
    readme, makefile = ((edition / name).read_text("utf-8") for name in ("README.md", "Makefile"))
    assert "For instructors" not in readme
    assert "make learn" in readme
    assert "authors" not in makefile + readme
    assert "\nlearn:" in makefile
    assert "\nbench:" not in makefile


@pytest.mark.slow
def test_it_grades_and_resets_without_a_history(edition: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(edition, mine)
    stub = mine / "exercises" / "03_async_await" / "fetch_prices.py"
    given = stub.read_bytes()
    done = course("check", "03/fetch_prices", here=mine)
    assert done.returncode == 1
    assert "not begun" in done.stdout
    shutil.copy(ROOT / "solutions" / "03_async_await" / "fetch_prices.py", stub)
    done = course("check", "03/fetch_prices", here=mine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert course("reset", "03/fetch_prices", here=mine).returncode == 0
    assert stub.read_bytes() == given


@pytest.mark.slow
def test_a_submission_made_from_it_grades_here(edition: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(edition, mine)
    shutil.copy(ROOT / "solutions" / "01_callbacks" / "emitter.py", mine / "exercises/01_callbacks")
    out = tmp_path / "out"
    done = course("grade", str(mine), "--only", "01", "--output", str(out), here=ROOT)
    found = json.loads((out / "verdict.json").read_text("utf-8"))
    statuses = {one["exercise"]: one["status"] for one in found["exercises"]}
    assert done.returncode == 1
    assert statuses["01_callbacks/emitter"] == "passed"
    assert set(statuses.values()) == {"passed", "not-begun"}
    assert found["ignored"] == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "mine.txt").write_text("mine")
    done = course("export", str(mine), here=ROOT)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in mine.iterdir()] == ["mine.txt"]

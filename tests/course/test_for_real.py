"""The command with the real grader, on the real exercises."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_solved_exercise_is_graded_and_shows_on_the_map(tmp_path: Path) -> None:
    """The grader's report is on the screen, the exit status is 0, and the map knows."""
    shutil.copy(COURSE / "pyproject.toml", tmp_path)
    for folder in ("lessons", "solutions"):
        shutil.copytree(COURSE / folder, tmp_path / folder)
    (tmp_path / "exercises").mkdir()
    module = "03_async_await"
    shutil.copytree(COURSE / "exercises" / module, tmp_path / "exercises" / module)
    shutil.copy(COURSE / "solutions" / module / "fetch_prices.py", tmp_path / "exercises" / module)

    def course(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "autograder.course.app", *arguments],
            cwd=tmp_path,
            env=os.environ | {"COURSE_ROOT": str(tmp_path), "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    checked = course("check", "03/fetch_prices")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "fetch_prices.py" in checked.stdout
    shown = course()
    assert "next: 03 first_success" in shown.stdout, shown.stdout + shown.stderr
    assert shown.stderr == ""

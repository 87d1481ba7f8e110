"""`course grade` at the keyboard: exit statuses, what is written, what is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.grading.isolation import processes

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "autograder.course.app", "grade", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "COURSE_ROOT": str(ROOT), "PYTHONPATH": str(ROOT)}


def grade(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type `course grade` in a folder."""
    return subprocess.run(
        command(*arguments),
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def read(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "verdict.json").read_text("utf-8")))


def test_full_marks_are_status_0(tmp_path: Path) -> None:
    done = grade(tmp_path, str(ROOT / "solutions"), "--only", "01/emitter")
    found = read(tmp_path / "grades")
    assert (done.returncode, done.stderr) == (0, "")
    assert found["score"] == found["max_score"]
    assert "01/emitter" in done.stdout


def test_less_is_status_1(tmp_path: Path) -> None:
    done = grade(tmp_path, str(ROOT / "exercises"), "--only", "01/emitter", "--output", "out")
    assert done.returncode == 1
    assert read(tmp_path / "out")["score"] == 0


def test_a_submission_with_nothing_in_it_is_graded_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = grade(tmp_path, "empty", "--only", "01/emitter")
    found = read(tmp_path / "grades")
    assert done.returncode == 1
    assert (found["score"], found["status"]) == (0, "failed")
    assert isinstance(found["max_score"], float)
    assert found["max_score"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "neither a file nor a folder"),
        ([".", "--only", "99"], "There is no module 99"),
        ([".", "--part", "6/5"], "such as 2/5"),
        ([".", "--report", "telegram"], "There is no report 'telegram'"),
    ],
)
def test_what_cannot_be_graded_is_status_2_in_a_sentence(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = grade(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_even_then_there_is_a_verdict(tmp_path: Path) -> None:
    grade(tmp_path, "nowhere")
    found = read(tmp_path / "grades")
    assert (found["status"], found["score"], found["max_score"]) == ("error", 0, 0)
    assert "nowhere" in str(found["reason"])


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    answer = tmp_path / "emitter.py"
    answer.write_text(
        "while True:\n    try:\n        pass\n    except BaseException:\n        pass\n"
    )
    running = subprocess.Popen(
        command(str(answer), "--only", "01/emitter"), cwd=tmp_path, env=environment()
    )
    deadline = time.monotonic() + 60
    while not (children := descendants(running.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(timeout=60) == 130
    assert children
    assert not [pid for pid in children if processes.is_alive(pid)]


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    return [one for child in processes.children(pid) for one in (child, *descendants(child))]

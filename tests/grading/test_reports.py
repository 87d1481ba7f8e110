"""Every report is a view of one verdict: the same score everywhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from autograder.grading import reports
from autograder.grading.reports import exercism
from autograder.grading.results import Note
from autograder.grading.verdict import Verdict, verdict_of

from .test_verdict import ONE, TWO, run


@pytest.fixture
def found() -> Verdict:
    """2 of 3 points, and a failure whose words try to break out of every format."""
    made = run("passed", "failed", output="::error::forged\n")
    bad = made.results[TWO]
    bad.message = "2 sold, 1 in stock\n::warning::]]> </pre><script>|`%0A"
    bad.notes = [Note("check-then-act", "seen")]
    bad.file, bad.line, bad.output = "exercises/double.py", 7, "x" * 600
    made.told[TWO] = f"✗ Two\n  {bad.message}"
    ignored = [{"path": "conftest.py", "why": "changed settings"}]
    return verdict_of([made], submission="ada", ignored=ignored)


def written(found: Verdict, folder: Path, *names: str) -> list[str]:
    return reports.write(names, found, folder)


def test_exercism_has_version_3_and_a_status_for_each_test(found: Verdict, tmp_path: Path) -> None:
    written(found, tmp_path, "exercism")
    made = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert (made["version"], made["status"]) == (3, "fail")
    assert [test["status"] for test in made["tests"]] == ["pass", "fail"]
    assert "2 sold, 1 in stock" in made["tests"][1]["message"]
    assert len(made["tests"][1]["output"]) == 500


def test_exercism_reports_an_error_with_its_message() -> None:
    made = exercism.content(verdict_of([run(ended="It was stopped.")], submission="ada"))
    assert made["status"] == "error"
    assert "It was stopped." in made["message"]


def test_classroom_writes_a_step_output(
    found: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    written(found, tmp_path, "classroom")
    line = (tmp_path / "outputs").read_text("utf-8")
    name, _, encoded = line.strip().partition("=")
    made = json.loads(base64.b64decode(encoded))
    assert name == "result"
    assert line.count("\n") == 1
    assert made["max_score"] == 3
    assert [test["score"] for test in made["tests"]] == [2, 0]
    assert (made["tests"][1]["filename"], made["tests"][1]["line_no"]) == ("exercises/double.py", 7)


def test_classroom_has_tests_even_if_none_ran() -> None:
    made = run(ended="It was stopped after 60 seconds.")
    from autograder.grading.reports import classroom

    assert len(classroom.content(verdict_of([made], submission="ada"))["tests"]) == 2


def test_gradescope_has_the_same_score(found: Verdict, tmp_path: Path) -> None:
    written(found, tmp_path, "gradescope")
    made = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert made["score"] == found.score == sum(test["score"] for test in made["tests"])
    assert [test["status"] for test in made["tests"]] == ["passed", "failed"]
    assert made["tests"][1]["tags"] == ["check-then-act"]
    assert made["stdout_visibility"] == "hidden"


def test_both_that_want_results_json_have_a_file_of_their_own(
    found: Verdict, tmp_path: Path
) -> None:
    written(found, tmp_path, "exercism", "gradescope")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exercism.json", "gradescope.json"]


def test_junit_is_xml_whatever_a_learner_wrote(found: Verdict, tmp_path: Path) -> None:
    written(found, tmp_path, "junit")
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failure = suite.findall("testcase")[1][0]
    assert (failure.get("message") or "").startswith("[check-then-act] 2 sold")


def test_github_annotates_the_learners_line(found: Verdict, tmp_path: Path) -> None:
    [said] = written(found, tmp_path, "github")
    assert len(said.splitlines()) == 1, "what a learner wrote began a command of its own"
    assert said.startswith("::error ")
    assert "file=exercises/double.py,line=7" in said
    assert "check-then-act" in said


def test_the_summary_says_points_mistake_and_what_was_ignored(
    found: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job"))
    written(found, tmp_path, "github")
    summary = (tmp_path / "job").read_text("utf-8")
    assert summary == (tmp_path / "summary.md").read_text("utf-8")
    assert "2 / 3" in summary
    assert "`check-then-act`" in summary
    assert "conftest.py" in summary
    assert "<script>" not in summary


def test_the_summary_draws_the_messages(found: Verdict, tmp_path: Path) -> None:
    """A sequence diagram is a fence of Mermaid, which nothing in it can end."""
    found.exercises[0].tests[1].mermaid = "sequenceDiagram\n    a->>b: hi\n```\n<script>"
    written(found, tmp_path, "github")
    summary = (tmp_path / "summary.md").read_text("utf-8")
    fence = summary.split("```mermaid\n")[1]
    assert fence.startswith("sequenceDiagram\n    a->>b: hi\n'''\n<script>\n```\n")


def test_a_passing_test_says_nothing(found: Verdict, tmp_path: Path) -> None:
    written(found, tmp_path, "exercism")
    first = json.loads((tmp_path / "exercism.json").read_text("utf-8"))["tests"][0]
    assert "message" not in first
    assert ONE not in json.dumps(first)

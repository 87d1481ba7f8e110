"""Pull requests go through the steps of the real workflow, here, as they would on GitHub."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from autograder.grading.isolation.sandbox import find_sandbox

from .conftest import SOLUTION, Course

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ANSWER = "exercises/03_async_await/double.py"

needs_sandbox = pytest.mark.skipif(
    not find_sandbox().real, reason="the workflow refuses to grade without a sandbox"
)


@dataclass
class Graded:
    """What came of a pull request."""

    status: int
    said: str
    workspace: Path

    @property
    def summary(self) -> str:
        return (self.workspace / "summary").read_text("utf-8")

    @property
    def annotations(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("::error ")]

    @property
    def output(self) -> dict[str, object]:
        """The step output `result`, as GitHub Classroom reads it."""
        text = (self.workspace / "outputs").read_text("utf-8")
        return dict(json.loads(base64.b64decode(text.strip().removeprefix("result="))))


@dataclass
class Repository:
    """A repository of a small course; its branch `main` is what pull requests are made to."""

    course: Course

    def git(self, *arguments: str) -> None:
        name = ["-c", "user.name=x", "-c", "user.email=x@x.example", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *name, *arguments], cwd=self.course.root, check=True)

    def pull_request(self, files: dict[str, str]) -> Graded:
        """Make a pull request that changes these files; run the workflow."""
        self.git("checkout", "-q", "-b", "theirs")
        for path, text in files.items():
            self.course.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-qm", "my answer")
        return self.grade()

    def grade(self) -> Graded:
        workspace = self.course.root.parent / "workspace"
        done = subprocess.run(
            [
                *(sys.executable, ROOT / "tools" / "run-workflow", "main", "theirs"),
                *("--repository", self.course.root, "--workspace", workspace),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Graded(done.returncode, done.stdout, workspace)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    course = Course(tmp_path / "repository")
    course.prepare()
    made = Repository(course)
    made.git("init", "-q", "-b", "main")
    made.git("add", "-A")
    made.git("commit", "-qm", "the course")
    return made


@needs_sandbox
@pytest.mark.slow
def test_a_right_answer_is_green(repository: Repository) -> None:
    graded = repository.pull_request({ANSWER: SOLUTION})
    assert graded.status == 0, graded.said
    assert "3 / 3" in graded.summary
    assert graded.annotations == []
    assert graded.output["status"] == "pass"


@needs_sandbox
@pytest.mark.slow
def test_a_wrong_answer_is_annotated_on_its_line(repository: Repository) -> None:
    wrong = SOLUTION.replace(
        "    return", "    if number == 0:\n        raise ValueError\n    return"
    )
    graded = repository.pull_request({ANSWER: wrong})
    assert graded.status == 1
    [annotation] = graded.annotations
    assert f"file={ANSWER},line=7" in annotation
    assert "2 / 3" in graded.summary
    assert "raise ValueError" in graded.summary, "the timeline or the line is told"
    assert graded.output["max_score"] == 3


@needs_sandbox
@pytest.mark.slow
def test_changed_tests_settings_and_workflows_are_named_and_not_used(
    repository: Repository,
) -> None:
    graded = repository.pull_request(
        {
            ANSWER: "import os\nos._exit(0)\n",
            "exercises/03_async_await/test_double.py": "def test_nothing(submission): pass\n",
            "exercises/conftest.py": "import os\nos._exit(0)\n",
            ".github/workflows/grade.yml": "name: grade\non: pull_request_target\njobs: {}\n",
        }
    )
    assert graded.status == 1
    assert "0 / 3" in graded.summary
    for path in ("test_double.py", "conftest.py", "grade.yml"):
        assert path in graded.summary.partition("### Not used")[2]


@needs_sandbox
@pytest.mark.slow
def test_what_a_submission_prints_is_no_command(repository: Repository) -> None:
    forged = "::notice title=Autograding report::{}"
    answer = (
        f"import os\nprint({forged!r})\nos.write(2, b'{forged}\\n')\nraise ValueError({forged!r})\n"
    )
    graded = repository.pull_request({ANSWER: answer})
    stopped, said = None, []
    for line in graded.said.splitlines():
        if line.startswith("::stop-commands::"):
            stopped = line.removeprefix("::stop-commands::")
        elif stopped is not None and line == f"::{stopped}::":
            stopped = None
        elif stopped is None:
            said.append(line)
    assert not [line for line in said if line.startswith("::") and not line.startswith("::error ")]


@needs_sandbox
@pytest.mark.slow
def test_a_pull_request_that_answers_nothing_says_so(repository: Repository) -> None:
    graded = repository.pull_request({"exercises/notes.md": "hello\n"})
    assert graded.status == 1
    assert "nothing to grade" in graded.summary


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.stem)
def test_no_script_of_a_workflow_has_an_expression_in_it(file: Path) -> None:
    """What somebody else may choose, such as a branch's name, must not become a command."""
    for job in yaml.safe_load(file.read_text("utf-8"))["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), f"{file.name}: {step.get('name')}"


def test_the_workflow_that_runs_their_code_has_no_rights() -> None:
    content = yaml.safe_load((ROOT / ".github/workflows/grade.yml").read_text("utf-8"))
    assert content["permissions"] == {"contents": "read"}
    assert "pull_request" in content[True]  # `on` is true in YAML
    [job] = content["jobs"].values()
    checkouts = [step["with"] for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert [one["persist-credentials"] for one in checkouts] == [False, False]


def test_the_workflow_that_may_write_checks_out_nothing() -> None:
    content = yaml.safe_load((ROOT / ".github/workflows/comment.yml").read_text("utf-8"))
    [job] = content["jobs"].values()
    assert not [step for step in job["steps"] if "uses" in step]

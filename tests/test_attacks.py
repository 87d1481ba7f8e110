"""Submissions that cheat or crash: each earns nothing it did not deserve, and the verdict says why.

Each file in `tests/attacks/` is one attack on 01/emitter: a submission, or, where it has a function
`make(folder, stub)`, something that builds one and returns its path. The docstring tells the story,
and then what has to come of it:

    earns: all          the points, none if it is not said
    says: PATTERN       what one of the verdict's reasons has to match
    voided: yes         the whole verdict is voided
    flagged: yes        the code is flagged as the reference solution
    ignores: PATH       what was brought and is named as not used
    seconds: N          real time that it may take
    clean: yes          no report obeys what the submission wrote
    sandboxed: yes      only a sandbox can hold it: skipped where there is none
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from autograder.grading import reports, tree, verdict
from autograder.grading.intake import open_source, take
from autograder.grading.isolation import outside, processes
from autograder.grading.isolation.limits import Limits
from autograder.grading.isolation.sandbox import find_sandbox
from autograder.grading.submissions import grade_taken
from autograder.grading.verdict import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.isolated]

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = sorted((ROOT / "tests" / "attacks").glob("*/*.py"))
EXERCISE = tree.Exercise("01_callbacks", "emitter")
STUB = ROOT / "exercises" / EXERCISE.file
SECONDS = 30.0
GRACE = 30.0
"""Beyond a limit: to start a grader and to end a child on a busy machine."""


def test_there_are_many_of_many_families() -> None:
    assert len(ATTACKS) >= 40
    assert len({path.parent for path in ATTACKS}) >= 10


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_an_attack_earns_nothing_it_did_not_deserve(
    attack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = read_wanted(attack)
    sandbox = find_sandbox()
    if "sandboxed" in wanted and not sandbox.real:
        pytest.skip(" ".join(sandbox.notes))
    token = hashlib.sha256(str(attack).encode()).hexdigest()[:16]
    monkeypatch.setattr(outside.secrets, "token_hex", lambda size: token)
    before = graders()
    limit = float(wanted.get("seconds", SECONDS))
    taken = take(open_source(str(build(attack, tmp_path)), ROOT, ROOT), ROOT, [EXERCISE])
    limits = replace(Limits(), wall=limit)

    found = grade_taken(taken, ROOT, [EXERCISE], limits=limits, sandbox=sandbox)

    assert list(processes.marked(token)) == [], "a process is left"
    assert graders() == before, "the graders were changed"
    assert found.seconds <= limit + GRACE
    assert found.score == (found.max_score if wanted.get("earns") == "all" else 0), told(found)
    assert found.max_score > 0
    assert found.voided == ("voided" in wanted), told(found)
    assert re.search(wanted.get("says", ""), told(found)), told(found)
    if "earns" not in wanted:
        assert found.reason, "it earns nothing, and nobody says why"
    [exercise] = found.exercises
    assert exercise.resembles_reference == ("flagged" in wanted)
    ignored = {one["path"] for one in found.ignored}
    assert ignored == ({wanted["ignores"]} if "ignores" in wanted else set())
    check_reports(found, tmp_path / "reports", clean="clean" in wanted)


def read_wanted(attack: Path) -> dict[str, str]:
    docstring = ast.get_docstring(ast.parse(attack.read_bytes())) or ""
    return dict(re.findall(r"^(\w+): *(.+?) *$", docstring, re.MULTILINE))


def build(attack: Path, folder: Path) -> Path:
    """What is submitted."""
    made = folder / "made"
    made.mkdir()
    if "def make(" in attack.read_text("utf-8"):
        spec = importlib.util.spec_from_file_location(f"attack_{attack.stem}", attack)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        make: Callable[[Path, bytes], Path] = module.make
        return make(made, STUB.read_bytes())
    answer = made / EXERCISE.file
    answer.parent.mkdir()
    answer.write_bytes(attack.read_bytes())
    return made


def graders() -> str:
    """Changes with any file of the module's folder, of the engine and of the solutions."""
    digest = hashlib.sha256()
    places = (ROOT / "exercises" / EXERCISE.module, ROOT / "autograder", ROOT / "solutions")
    for path in sorted(path for place in places for path in place.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def told(found: Verdict) -> str:
    """All that the verdict says of why."""
    tests = [test for one in found.exercises for test in one.tests]
    reasons = [found.reason, *(one.reason for one in found.exercises)]
    reasons += [f"{test.test}: {test.status}: {test.reason}" for test in tests]
    return "\n".join(reasons)


def check_reports(found: Verdict, folder: Path, *, clean: bool) -> None:
    """Every report can be read, and says the same score."""
    verdict.write(found, folder / "verdict.json")
    said = reports.write(reports.NAMES, found, folder)
    assert json.loads((folder / "verdict.json").read_text("utf-8"))["score"] == found.score
    made = json.loads((folder / "gradescope.json").read_text("utf-8"))
    assert sum(test["score"] for test in made["tests"]) == found.score
    assert json.loads((folder / "exercism.json").read_text("utf-8"))["version"] == 3
    ET.parse(folder / "junit.xml")
    if clean:
        lines = [line for text in said for line in text.splitlines()]
        assert all(line.startswith("::error ") for line in lines)
        assert "\x1b" not in "".join(path.read_text("utf-8") for path in folder.iterdir())
        assert "<script>" not in (folder / "summary.md").read_text("utf-8")

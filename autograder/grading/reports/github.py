"""GitHub Actions: annotations on the learner's lines, and the summary of the job.

Source: GitHub's documentation, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from autograder.grading.verdict import ExerciseVerdict, TestVerdict, Verdict

from . import Report
from .words import cut, message, points

_MOST_ANNOTATIONS = 10
"""GitHub shows so many errors of a step."""
_MOST_SUMMARY = 1_000_000
_MOST_TIMELINE = 8_000
_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~@])")


def render(verdict: Verdict) -> Report:
    """The summary in `summary.md`, and to the job's summary; annotations to be printed."""
    summary = cut("\n".join(_summary(verdict)), _MOST_SUMMARY) + "\n"
    said = "\n".join(_annotations(verdict))
    return Report({"summary.md": summary}, said, {"GITHUB_STEP_SUMMARY": summary})


def _annotations(verdict: Verdict) -> Iterator[str]:
    """One for the first failure of each exercise, since a learner mends one thing at a time."""
    if verdict.voided:
        yield _command("error", verdict.reason, title="Voided")
    told = 0
    for exercise in verdict.exercises:
        test = _first_failure(exercise)
        if test is None or told == _MOST_ANNOTATIONS or exercise.status == "not-begun":
            continue
        told += 1
        where = {"file": test.file or exercise.file}
        if test.line:
            where["line"] = str(test.line)
        text = test.reason + (f"\ncourse explain {test.mistake}" if test.mistake else "")
        title = f"{test.mistake}: {test.requirement}" if test.mistake else test.requirement
        yield _command("error", text, title=title, **where)


def _command(name: str, text: str, **properties: str) -> str:
    """A workflow command; what a learner wrote cannot begin another."""
    said = ",".join(f"{key}={_escape(value, more=True)}" for key, value in properties.items())
    return f"::{name} {said}::{_escape(text)}"


def _escape(text: str, *, more: bool = False) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace(":", "%3A").replace(",", "%2C") if more else escaped


def _first_failure(exercise: ExerciseVerdict) -> TestVerdict | None:
    """The failure to read first: one that has a name, if any."""
    bad = [test for test in exercise.tests if test.status in ("failed", "missing")]
    return next((test for test in bad if test.mistake), bad[0] if bad else None)


def _summary(verdict: Verdict) -> Iterator[str]:
    yield f"## {points(verdict.score, verdict.max_score)} points"
    yield ""
    if verdict.reason:
        yield _plain(verdict.reason)
        yield ""
    yield "| exercise | points | | |"
    yield "| --- | ---: | --- | --- |"
    for exercise in verdict.exercises:
        yield _row(exercise)
    for exercise in verdict.exercises:
        test = _first_failure(exercise)
        if test is not None and exercise.status != "not-begun":
            yield from _failure(exercise, test)
    if verdict.ignored:
        yield from ("", "### Not used", "")
        yield from (f"- `{_code(one['path'])}`: {_plain(one['why'])}" for one in verdict.ignored)
    if any(exercise.resembles_reference for exercise in verdict.exercises):
        yield from ("", "Flagged for an instructor to look at: see `resembles_reference`.")
    yield from ("", *(f"<sub>{html.escape(note)}</sub>" for note in verdict.isolation))


def _row(exercise: ExerciseVerdict) -> str:
    mark = {"passed": "✅", "not-begun": "▫️", "voided": "🚫"}.get(exercise.status, "❌")
    test = _first_failure(exercise)
    mistake = _link(test.mistake) if test and test.mistake else ""
    why = "" if exercise.status == "passed" else _plain(exercise.reason.splitlines()[0])
    name = f"`{_code(exercise.exercise)}`"
    score = points(exercise.score, exercise.max_score)
    return f"| {mark} {name} | {score} | {mistake} | {why} |"


def _failure(exercise: ExerciseVerdict, test: TestVerdict) -> Iterator[str]:
    yield from ("", f"### {_plain(exercise.title)}: `{_code(exercise.exercise.partition('/')[2])}`")
    yield from ("", f"**{_plain(test.requirement)}**", "")
    yield from (f"{_plain(line)}  " for line in test.reason.splitlines()[:8])
    if test.mistake:
        yield from ("", f"Read {_link(test.mistake)}.")
    told = cut(message(test), _MOST_TIMELINE)
    if told:
        yield from ("", "<details><summary>What happened</summary>", "")
        yield from ("<pre>", html.escape(told), "</pre>")
        if test.mermaid:
            diagram = cut(test.mermaid, _MOST_TIMELINE).replace("`", "'")
            yield from ("", "```mermaid", diagram, "```", "")
        yield "</details>"


def _link(mistake: str) -> str:
    """To the mistake's section, from wherever the summary is shown."""
    import os

    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    name = _code(mistake)
    if not server or not repository:
        return f"`{name}`"
    branch = os.environ.get("GITHUB_BASE_REF") or "main"
    return f"[`{name}`]({server}/{repository}/blob/{branch}/lessons/mistakes.md#{name})"


def _plain(text: str) -> str:
    """Text in which nothing is markup, in one line."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return text.replace("`", "'").replace("|", "/").replace("\n", " ")

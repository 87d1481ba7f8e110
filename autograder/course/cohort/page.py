"""A cohort on one page of HTML: scores, time, and what to teach again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape

from autograder.grading import mistakes
from autograder.grading.verdict import ExerciseVerdict

from .running import Outcome
from .style import STYLE
from .table import exercises_of, mistakes_of


def to_html(outcomes: Sequence[Outcome]) -> str:
    """A page that needs nothing else; it links to the verdicts beside it."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>A cohort of {len(outcomes)}</title>",
            f"<style>{STYLE}</style></head><body><main>",
            *_head(outcomes),
            *_to_teach_again(outcomes),
            *_exercises(outcomes),
            *_submissions(outcomes),
            "</main></body></html>",
            "",
        ]
    )


def _head(outcomes: Sequence[Outcome]) -> Iterator[str]:
    full = sum(outcome.verdict.full_marks for outcome in outcomes)
    shares = sorted(_share(o.verdict.score, o.verdict.max_score) for o in outcomes)
    median = shares[len(shares) // 2] if shares else 0.0
    seconds = sum(outcome.verdict.seconds for outcome in outcomes)
    yield "<h1>Callbacks to Sagas: a cohort</h1>"
    yield "<dl class=figures>"
    for number, what in (
        (str(len(outcomes)), "submissions"),
        (str(full), "with full marks"),
        (f"{median:.0%}", "of the points, the one in the middle"),
        (f"{seconds:.0f} s", "of grading"),
    ):
        yield f"<div><dt>{escape(number)}</dt><dd>{escape(what)}</dd></div>"
    yield "</dl>"


def _to_teach_again(outcomes: Sequence[Outcome]) -> Iterator[str]:
    counted = mistakes_of(outcomes).most_common()
    yield "<h2>What to teach again</h2>"
    if not counted:
        yield "<p>No grader named a mistake.</p>"
        return
    yield "<table><thead><tr><th>mistake</th><th>submissions</th><th>where it is taught</th>"
    yield "</tr></thead><tbody>"
    for name, count in counted:
        section = mistakes.find(name)
        lesson = ", ".join((section and section.where_to_read()) or ())
        sentence = section.sentence if section else ""
        yield f"<tr><td><b>{escape(name)}</b><br><small>{escape(sentence)}</small></td>"
        yield f"<td>{_bar(count / len(outcomes), f'{count} of {len(outcomes)}')}</td>"
        yield f"<td>{escape(lesson)}</td></tr>"
    yield "</tbody></table>"


def _exercises(outcomes: Sequence[Outcome]) -> Iterator[str]:
    by_exercise: dict[str, list[ExerciseVerdict]] = defaultdict(list)
    for outcome in outcomes:
        for one in outcome.verdict.exercises:
            by_exercise[one.exercise].append(one)
    yield "<h2>How far they are</h2>"
    yield "<table><thead><tr><th>exercise</th><th>full marks</th><th>begun</th><th>points</th>"
    yield "</tr></thead><tbody>"
    for name in exercises_of(outcomes):
        found = by_exercise[name]
        full = sum(one.status == "passed" for one in found)
        begun = sum(_is_begun(one) for one in found)
        points = _share(sum(o.score for o in found), sum(o.max_score for o in found))
        yield f"<tr><td>{escape(name)}</td>"
        yield f"<td>{_bar(full / len(found), f'{full} of {len(found)}')}</td>"
        yield f"<td>{begun}</td><td>{points:.0%}</td></tr>"
    yield "</tbody></table>"


def _is_begun(one: ExerciseVerdict) -> bool:
    return one.status != "not-begun" and any(t.status in ("passed", "failed") for t in one.tests)


def _submissions(outcomes: Sequence[Outcome]) -> Iterator[str]:
    exercises = exercises_of(outcomes)
    yield "<h2>Submissions</h2><div class=wide><table class=grid><thead><tr><th>name</th>"
    yield "<th>points</th>"
    yield from (f"<th title={_quoted(name)}>{escape(_short(name))}</th>" for name in exercises)
    yield "</tr></thead><tbody>"
    for outcome in sorted(outcomes, key=lambda o: (-o.verdict.score, o.name)):
        found = outcome.verdict
        by_name = {one.exercise: one for one in found.exercises}
        link = _quoted(f"{outcome.name}/verdict.json")
        yield f"<tr><td><a href={link}>{escape(outcome.name)}</a>"
        if found.status in ("voided", "error"):
            yield f"<br><small class=bad>{escape(found.reason)}</small>"
        yield f"</td><td>{found.score:g} / {found.max_score:g}</td>"
        yield from (_cell(by_name.get(name)) for name in exercises)
        yield "</tr>"
    yield "</tbody></table></div>"
    yield "<p><small>⚑ the code is the reference solution but for names and layout.</small></p>"


def _cell(one: ExerciseVerdict | None) -> str:
    if one is None or not one.tests:
        return "<td></td>"
    named = [test.mistake for test in one.tests if test.mistake]
    told = ", ".join(dict.fromkeys(named)) or one.reason
    share = _share(one.score, one.max_score)
    level = "none" if one.status == "not-begun" else f"s{round(share * 4)}"
    text = "·" if one.status == "not-begun" else f"{share:.0%}"
    flag = " ⚑" if one.resembles_reference else ""
    return f"<td class={level} title={_quoted(told)}>{text}{flag}</td>"


def _bar(share: float, label: str) -> str:
    return (
        f'<span class=bar style="--share:{share:.3f}"><span></span></span> '
        f"<span class=count>{escape(label)}</span>"
    )


def _share(score: float, max_score: float) -> float:
    return score / max_score if max_score else 0.0


def _short(exercise: str) -> str:
    module, _, name = exercise.partition("/")
    return f"{module.partition('_')[0]}/{name}"


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'

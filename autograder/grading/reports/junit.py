"""JUnit's XML, as pytest writes it: a suite for each exercise."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from autograder.grading.verdict import ExerciseVerdict, TestVerdict, Verdict

from . import Report
from .words import message


def render(verdict: Verdict) -> Report:
    """The report. A test that did not run is an error; one that earned nothing is a failure."""
    suites = ET.Element("testsuites", name=verdict.submission)
    for exercise in verdict.exercises:
        _suite(suites, exercise)
    ET.indent(suites)
    xml = ET.tostring(suites, encoding="unicode", xml_declaration=True)
    return Report({"junit.xml": xml + "\n"})


def _suite(suites: ET.Element, exercise: ExerciseVerdict) -> None:
    statuses = [test.status for test in exercise.tests]
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=exercise.exercise,
        tests=str(len(statuses)),
        failures=str(len([s for s in statuses if s in ("failed", "not-begun")])),
        errors=str(statuses.count("missing")),
        skipped="0",
        time=f"{exercise.seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("score", exercise.score), ("max_score", exercise.max_score)):
        ET.SubElement(properties, "property", name=name, value=f"{value:g}")
    for test in exercise.tests:
        _case(suite, exercise, test)


def _case(suite: ET.Element, exercise: ExerciseVerdict, test: TestVerdict) -> None:
    classname = exercise.exercise.replace("/", ".")
    case = ET.SubElement(
        suite, "testcase", classname=classname, name=test.test, time=f"{test.seconds:.3f}"
    )
    if test.file:
        case.set("file", test.file)
        case.set("line", str(test.line or 0))
    if test.status == "passed":
        return
    kind = "error" if test.status == "missing" else "failure"
    first = (test.reason or test.requirement).splitlines()[0]
    problem = ET.SubElement(
        case, kind, message=f"[{test.mistake}] {first}" if test.mistake else first
    )
    problem.text = message(test)

"""Views of a verdict for the places where grades go. None of them computes a score."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from autograder.grading.verdict import Verdict

NAMES = ("exercism", "classroom", "gradescope", "github", "junit", "json")
_RESULTS, _ASK_FOR_RESULTS = "results.json", ("exercism", "gradescope")
"""Both read a file of this name; if both are wanted, each has its own name only."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report is made of.

    Attributes:
        files: by name, what is to be written to the output folder.
        say: what is to be printed.
        append: by variable of the environment, what is to be added to the file that it names.
    """

    files: dict[str, str]
    say: str = ""
    append: dict[str, str] | None = None


def make(name: str, verdict: Verdict) -> Report:
    """One report of a verdict, by its name in `NAMES`."""
    if name == "json":
        return Report({})  # verdict.json is always written
    render: Callable[[Verdict], Report] = import_module(f"{__name__}.{name}").render
    return render(verdict)


def write(names: Iterable[str], verdict: Verdict, folder: Path) -> list[str]:
    """Write reports to a folder, and to where GitHub wants them; return what is to be printed."""
    wanted = list(dict.fromkeys(names))
    said = []
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        report = make(name, verdict)
        for file, content in report.files.items():
            (folder / file).write_text(content, "utf-8")
            if name in _ASK_FOR_RESULTS and len({*_ASK_FOR_RESULTS} & {*wanted}) == 1:
                (folder / _RESULTS).write_text(content, "utf-8")
        for variable, content in (report.append or {}).items():
            if os.environ.get(variable):
                with Path(os.environ[variable]).open("a", encoding="utf-8") as file_to_append:
                    file_to_append.write(content)
        if report.say:
            said.append(report.say)
    return said

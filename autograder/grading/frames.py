"""The learner's part of a traceback."""

from __future__ import annotations

import linecache
import opcode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

IsLearner = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a traceback: where, in which function, and the line's source, stripped."""

    file: str
    line: int
    function: str

    @property
    def source(self) -> str:
        return linecache.getline(self.file, self.line).strip()


def frames(error: BaseException) -> list[Frame]:
    """Every frame of an exception's traceback, outermost first."""
    return [
        Frame(step.tb_frame.f_code.co_filename, step.tb_lineno, step.tb_frame.f_code.co_name)
        for step in _steps(error.__traceback__)
    ]


def learner_frames(error: BaseException, is_learner: IsLearner) -> list[Frame]:
    """The frames of the learner's files, outermost first."""
    return [frame for frame in frames(error) if is_learner(frame.file)]


def is_raised_by_code(error: BaseException) -> bool:
    """True if a `raise` statement made it: a Ctrl-C arrives between any two instructions."""
    steps = list(_steps(error.__traceback__))
    if not steps:
        return False
    last = steps[-1]
    instruction = last.tb_frame.f_code.co_code[last.tb_lasti]
    return opcode.opname[instruction] == "RAISE_VARARGS"


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next

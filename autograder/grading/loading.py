"""Executes a learner's file, and says calmly what is wrong with it."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from .complaints import BadSubmission, Complaint
from .frames import IsLearner, is_raised_by_code, learner_frames

_PATIENCE = 2.0
"""Seconds that executing a file may take after it has last imported something."""

_compiled: dict[Path, tuple[tuple[int, int], CodeType]] = {}


def compiled(path: Path) -> CodeType:
    """The code of a file, compiled once for each of its versions.

    Raises:
        BadSubmission: it is gone, or no Python.
    """
    try:
        stat = path.stat()
        version = (stat.st_mtime_ns, stat.st_size)
        known = _compiled.get(path)
        if known is not None and known[0] == version:
            return known[1]
        source = path.read_bytes()
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"is unreadable: {error}"
        raise BadSubmission(Complaint(str(path), f"{why}.")) from None
    linecache.checkcache(str(path))
    code = _compile(path, source)
    _compiled[path] = version, code
    return code


def _compile(path: Path, source: bytes) -> CodeType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a string is not our business
            return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise BadSubmission(_about_syntax(path, error)) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        says = f"could not be read: {error or type(error).__name__}."
        raise BadSubmission(Complaint(str(path), says)) from None


def _about_syntax(path: Path, error: SyntaxError) -> Complaint:
    message = error.msg or "invalid syntax"
    if message == "'await' outside async function":
        message += ": write async def in front of the function around it"
    where = f"line {error.lineno}, " if error.lineno else ""
    rows = []
    text = (error.text or "").rstrip()
    if text:
        stripped = text.lstrip()
        rows.append(stripped)
        column = (error.offset or 1) - 1 - (len(text) - len(stripped))
        if 0 <= column <= len(stripped):
            rows.append(" " * column + "^")
    says = f"could not be read: {where}{message}."
    return Complaint(str(path), says, tuple(rows), error.lineno)


def new_module(name: str, path: Path) -> ModuleType:
    """An empty module that knows its file, known to pickle and dataclasses by its name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    return module


def execute(code: CodeType, module: ModuleType, is_learner: IsLearner) -> None:
    """Execute a file's code in its module.

    Raises:
        BadSubmission: the code raised something.
    """
    from autograder.simulation.problems import Stuck, WorldEnded

    try:
        exec(code, vars(module))
    except (BadSubmission, Stuck, WorldEnded):
        raise
    except KeyboardInterrupt as error:
        if not is_raised_by_code(error):
            raise
        _complain(code.co_filename, error, is_learner)
    except BaseException as error:
        _complain(code.co_filename, error, is_learner)


def _complain(file: str, error: BaseException, is_learner: IsLearner) -> NoReturn:
    """Raise what there is to say about a file that raised while it was executed."""
    places = learner_frames(error, is_learner)
    where = f"line {places[-1].line}, " if places else ""
    line = places[-1].line if places else None
    rows = [places[-1].source] if places and places[-1].source else []
    match error:
        case SystemExit():
            says = f"ends the program while it is imported: {where}{type(error).__name__}."
            rows.append('What a script does belongs under  if __name__ == "__main__":')
        case _LoopAtImport():
            says = f"runs an event loop while it is imported: {where}asyncio.run or the like."
            rows.append('What a script does belongs under  if __name__ == "__main__":')
        case ModuleNotFoundError(name=str(name)):
            says = f"could not be imported: {where}there is no module {name!r}."
            rows.append(_about_missing(name, Path(file)))
        case _:
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            says = f"could not be imported: {where}{what[:300].rstrip('.')}."
    raise BadSubmission(Complaint(file, says, tuple(rows), line)) from error


def _about_missing(name: str, file: Path) -> str:
    top = name.partition(".")[0]
    if (file.parent / f"{top}.py").is_file():
        return "Each exercise is one file: it cannot import another exercise's."
    return "It is not installed here. `course doctor` says what is."


class _LoopAtImport(Exception):
    """An event loop would have run while a file was imported."""


@contextmanager
def guarded(is_learner: IsLearner, file: str) -> Iterator[None]:
    """Execute a file for the first time: it may neither run forever, nor print, nor run a loop."""
    from autograder.simulation.limits import Watch, watched
    from autograder.simulation.ownership import Ownership
    from autograder.simulation.problems import Stuck
    from autograder.simulation.session import Output

    ownership = Ownership(is_learner)
    watch = Watch(_PATIENCE, lambda: len(sys.modules), lambda: ownership)
    try:
        with redirect_stdout(Output()), redirect_stderr(Output()), _no_loops(), watched(watch):
            yield
    except Stuck as stuck:
        line = stuck.problem.line
        where = f"line {line} ran" if line else "it ran"
        source = linecache.getline(file, line).strip() if line else ""
        says = f"never finishes importing: {where} for {watch.seconds:g} seconds."
        rows = (source,) if source else ()
        raise BadSubmission(Complaint(file, says, rows, line)) from None


@contextmanager
def _no_loops() -> Iterator[None]:
    """Refuse to run an event loop: it would do real work, in real time, outside any world."""
    import asyncio
    from asyncio import base_events

    def refuse(self: Any, main: Any = None, *args: Any, **options: Any) -> NoReturn:
        if hasattr(main, "close"):
            main.close()
        if isinstance(self, base_events.BaseEventLoop):
            self.close()  # nobody will
        raise _LoopAtImport

    owners: list[tuple[Any, str]] = [
        (asyncio.Runner, "run"),
        (base_events.BaseEventLoop, "run_until_complete"),
        (base_events.BaseEventLoop, "run_forever"),
    ]
    before = [getattr(owner, name) for owner, name in owners]
    for owner, name in owners:
        setattr(owner, name, refuse)
    try:
        yield
    finally:
        for (owner, name), original in zip(owners, before, strict=True):
            setattr(owner, name, original)

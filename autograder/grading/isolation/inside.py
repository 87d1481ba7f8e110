"""The child: pytest with the trusted grader, telling the trusted side what becomes of each test.

First it grades the stub, to know what holds of it; then the submission; then the stub again, in the
same process. Whatever holds of the stub only afterwards shows that the grader was changed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest.runner import runtestprotocol

from .channel import sender
from .limits import Limits, apply

Send = Callable[[Mapping[str, Any]], None]
_MOST_KEPT = 20_000


def main() -> NoReturn:
    """Grade as the trusted side says; never returns.

    The first line of stdin says how. Messages go out by what was stdout; what the submission writes
    to stdout or stderr comes out at stderr.
    """
    told, tells = os.dup(0), os.dup(1)
    hello = json.loads(_line(told))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    _shut_in(hello)
    send = sender(tells, bytes.fromhex(hello.pop("key")))
    # A test that is stuck for good is ended from outside; this ends all the rest at once.
    os._exit(_grade(hello, send, lambda: _line(told)))


def _line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            os._exit(3)  # the trusted side is gone
        line += byte
    return line


def _shut_in(hello: dict[str, Any]) -> None:
    """Set limits, and become nobody if this is root in a sandbox."""
    apply(Limits(**hello["limits"]), processes=hello["processes"])
    if hello["uid"] is not None:
        os.setgroups([])
        os.setgid(hello["uid"])
        os.setuid(hello["uid"])
    Path(os.environ["HOME"]).mkdir(parents=True, exist_ok=True)


def _grade(hello: dict[str, Any], send: Send, wait: Callable[[], object]) -> int:
    options = ["-q", "-s", "--no-live"]
    options += ["-p", "autograder.grading.plugin", "-p", "pytest_asyncio.plugin"]
    options += ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-c", "pyproject.toml"]
    options += ["--rootdir=.", "--confcutdir=exercises", "--continue-on-collection-errors"]
    with contextlib.redirect_stdout(_Bounded()):  # pytest's own words are of no use to anybody
        status = pytest.main([*options, *hello["graders"]], plugins=[Inside(send, wait)])
    return int(status)


class Inside:
    """A pytest plugin that runs the tests three times, and tells what becomes of them."""

    def __init__(self, send: Send, wait: Callable[[], object]) -> None:
        self._send = send
        self._wait = wait
        self._held: set[str] = set()

    def pytest_collectreport(self, report: Any) -> None:
        """A grader that cannot be collected is a failure of grading, not of the submission."""
        if report.failed:
            self._send({"kind": "broken", "why": str(report.longrepr)[-4000:]})

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run everything, in place of pytest's own loop."""
        # Not before pytest has loaded the plugin: it would warn that it cannot rewrite it.
        from autograder.grading.plugin import RUN
        from autograder.grading.run import expected_of

        items = list(session.items)
        run = session.config.stash[RUN]
        run.is_watched = True  # by the trusted side
        self._send({"kind": "expected", "tests": [expected_of(item) for item in items]})
        before = self._holds_of_the_stub(items, session.config)
        self._send({"kind": "ready"})
        self._wait()
        run.renew_budget()
        for number, item in enumerate(items):
            following = items[number + 1] if number + 1 < len(items) else None
            self._send({"kind": "started", "nodeid": item.nodeid})
            with self._fresh() as held, _output() as output:
                reports = _run_one(item, following)
            self._send(_result(item, reports, item.nodeid in held, output.getvalue()))
        self._send({"kind": "graded"})
        self._wait()
        after = self._holds_of_the_stub(items, session.config)
        self._send({"kind": "end", "tampered": sorted(after - before)})
        return True

    def _holds_of_the_stub(self, items: list[Any], config: Any) -> set[str]:
        """The tests that the stub passes; one world is enough to see it fail."""
        worlds, config.option.worlds = config.option.worlds, 1
        found = set()
        for number, item in enumerate(items):
            following = items[number + 1] if number + 1 < len(items) else None
            with self._fresh() as held, _output():
                reports = _run_one(item, following)
            passed = [r.when == "call" and r.outcome == "passed" for r in reports]
            if any(passed) or item.nodeid in held:
                found.add(item.nodeid)
        config.option.worlds = worlds
        return found

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[None]:
        """Note that a test's function has returned: whatever a report says, this has to be so."""
        result = yield
        self._held.add(pyfuncitem.nodeid)
        return result

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[set[str]]:
        """The tests whose functions return in this block."""
        self._held = held = set[str]()
        yield held


@contextlib.contextmanager
def _output() -> Iterator[_Bounded]:
    """Keep the beginning of what is printed outside of worlds."""
    output = _Bounded()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield output


def _run_one(item: Any, following: Any) -> list[Any]:
    # pytest runs an item once; what was prepared for it has to be prepared again.
    item._initrequest()
    return list(runtestprotocol(item, log=False, nextitem=following))


def _result(item: Any, reports: list[Any], held: bool, output: str) -> dict[str, Any]:
    graded: dict[str, Any] | None = None
    told = ""
    for report in reports:
        found = getattr(report, "graded", None)
        if found is not None:
            graded, told = found, str(report.longrepr or "")
    if graded is not None and not graded["output"]:
        graded["output"] = output
    return {"kind": "result", "nodeid": item.nodeid, "held": held, "graded": graded, "told": told}


class _Bounded(io.StringIO):
    """Keeps the beginning of what is written, and drops the rest."""

    def write(self, text: str) -> int:
        room = _MOST_KEPT - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


if __name__ == "__main__":
    main()

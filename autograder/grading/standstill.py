"""Ends a run of pytest in which Python stands still, and says where that was.

Code in C can keep all of Python waiting, for ever: librdkafka may, when a consumer is closed to
which partitions are on their way. No signal handler runs then, no thread, and no exception helps.
So `faulthandler` is told, again and again, to end the process unless it is told so once more in
time. What it says goes to a *teller*, a small program outside, as nothing in here can speak any
more; it puts that into words a person can use. Run as a program, this file is the teller.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

STANDSTILL = 30.0
"""Seconds that Python may stand still in a test, unless its mark says otherwise."""
_FRAME = re.compile(rb' *File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')
_MOST_LINES = 60


def watcher(config: Any) -> Watcher:
    """The one of this run of pytest."""
    found: Watcher | None = getattr(config, "_standstill", None)
    if found is None:
        found = config._standstill = Watcher(config)
        config.add_cleanup(found.close)
    return found


class Watcher:
    """Watches this process while it runs a test, one test after another.

    Args:
        config: pytest's.
    """

    def __init__(self, config: Any) -> None:
        import subprocess

        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():  # what it writes is for a person
            self._teller = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=os.name == "posix",  # Ctrl-C is not meant for it
            )

    @contextmanager
    def watch(
        self,
        limit: Callable[..., AbstractContextManager[None]],
        test: Any,
        run: Any,
        standstill: float = STANDSTILL,
    ) -> Iterator[None]:
        """A test is run in this block.

        Args:
            limit: gives a context that calls its argument `beat` as long as Python runs.
            test: the test's `TestResult`, so far; run: this run, with the results of others.
            standstill: so many seconds may Python stand still.
        """
        import faulthandler

        pipe = self._teller.stdin
        assert pipe is not None

        def beat() -> None:
            faulthandler.dump_traceback_later(standstill, exit=True, file=pipe.fileno())

        pipe.write(json.dumps(self._told(test, run, standstill)).encode() + b"\n")
        pipe.flush()
        beat()
        try:
            with limit(beat=beat):
                yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _told(self, test: Any, run: Any, seconds: float) -> dict[str, Any]:
        from .layout import plain
        from .results import by_exercise

        so_far = [
            plain(run.page.exercise(one, short=True, verbose=False))
            for one in by_exercise(run.tests.values())
            if one.status != "not-begun"
        ]
        return {
            "seconds": seconds,
            "learner": test.path,
            "so_far": so_far,
            "test": test.test,
            "exercise": test.exercise,
            "nodeid": test.nodeid,
        }

    def close(self) -> None:
        """The run is over: leave no process behind."""
        assert self._teller.stdin is not None
        self._teller.stdin.close()
        self._teller.wait()


def tell(said: IO[bytes], to: IO[str]) -> None:
    """Read what is said until its sender has ended; if that stood still, print what is known.

    `said` is a line of JSON for each test; after that of the last one, maybe, faulthandler's words.
    """
    told: dict[str, Any] = {}
    words: list[bytes] = []
    for line in said:
        if line.startswith(b"{"):
            told, words = json.loads(line), []
        else:
            words.append(line)
    if told and words:
        to.write("\n".join(["", *_in_words(told, words), ""]))
        to.flush()


def _in_words(told: Mapping[str, Any], words: list[bytes]) -> Iterator[str]:
    if told["so_far"]:
        yield "Until then:"
        yield from told["so_far"]
        yield ""
    yield f"Stopped: Python stood still for {told['seconds']:g} s in {told['test']}, of"
    yield f"{told['exercise']}. What is to come after it has not been run."
    yield ""
    yield "  A call into a library in C did not return, and let nothing else of Python run; no"
    yield "  exception can end that. confluent-kafka's Consumer.close() may do it while partitions"
    yield "  are on their way to the consumer."
    yield from _places(told["learner"], words)
    yield f"  The others  add --deselect '{told['nodeid']}'"


def _places(learner: str, words: list[bytes]) -> list[str]:
    """The learner's lines that were run, the innermost of each thread; else all that was said."""
    found: list[str] = []
    is_new = True
    for line in words:
        frame = _FRAME.match(line)
        if frame is None:
            is_new = True  # another thread's begin
        elif is_new and os.fsdecode(frame["file"]).startswith(learner):
            is_new = False
            file = Path(os.fsdecode(frame["file"])).name
            name = frame["name"].decode("ascii", "replace").strip()
            found.append(f"  Was at      {file}, line {int(frame['line'])}, in {name}")
    if found:
        return list(dict.fromkeys(found))
    everything = b"".join(words[:_MOST_LINES]).decode("utf-8", "replace")
    return [f"  {line}" for line in everything.splitlines()]


if __name__ == "__main__":
    tell(sys.stdin.buffer, sys.stderr)

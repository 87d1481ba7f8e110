"""The trusted side: has one exercise graded by a child, and writes down what the child tells."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from autograder.grading import tree
from autograder.grading.verdict import Run

from . import hearing, processes
from .channel import KEY_BYTES, MOST_BYTES, Forged, Reader
from .interrupts import postponed
from .limits import Limits
from .room import Room
from .sandbox import Sandbox, environment

_MOST_MESSAGES = 5_000
_TICK = 0.1
_START_UP, _LAST_CHECK = 60.0, 20.0
"""Seconds for the grader to start on a busy machine, and to check itself once more at the end."""
_START = (
    "import sys; sys.path.insert(0, {path!r}); "
    "from autograder.grading.isolation.inside import main; main()"
)


interrupted = threading.Event()
"""Set when the person at the keyboard has had enough: every child is ended soon."""


class Interrupted(Exception):
    """Grading was stopped by a person."""


class GradingBroke(Exception):
    """The grader itself failed, before any submission was imported; the text says how."""


def grade_exercise(
    root: Path,
    exercise: tree.Exercise,
    files: Mapping[str, bytes],
    *,
    sandbox: Sandbox,
    limits: Limits,
    complaint: str = "",
) -> Run:
    """Grade the learner's files, given by their paths seen from `exercises/`.

    `complaint` says why they are not to be run at all; then only the list of tests is asked for.

    Raises:
        GradingBroke: the grader does not run, whatever the submission is.
    """
    began = time.monotonic()
    run = Run(exercise.key, tree.title_of(root, exercise.module), complaint=complaint)
    with Room(root, exercise) as room:
        conversation = _Conversation(room, sandbox, limits, run)
        try:
            conversation.start()
            conversation.hold(files)
        finally:
            conversation.close()
    run.seconds = time.monotonic() - began
    return run


class _Conversation:
    """One child, from its start to its end."""

    def __init__(self, room: Room, sandbox: Sandbox, limits: Limits, run: Run) -> None:
        self._room, self._sandbox, self._limits, self._run = room, sandbox, limits, run
        self._token = secrets.token_hex(8)
        self._current = ""
        self._limit(_START_UP)
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=64)
        self._output = bytearray()
        self._uid = sandbox.new_uid()
        self._key = secrets.token_bytes(KEY_BYTES)
        self._reader = Reader(self._key)
        self._child: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the child, listen to it, and tell it what it has to grade."""
        self._room.put(self._room.stubs)
        with postponed():
            self._start_child()
        self._say(
            {
                "key": self._key.hex(),
                "graders": self._room.graders,
                "limits": asdict(self._limits),
                "uid": self._uid,
                "processes": self._most_processes(),
            }
        )

    def _start_child(self) -> None:
        room, sandbox = self._room, self._sandbox
        scratch = "/tmp/home" if sandbox.real else str(room.folder / "home")
        start = _START.format(path=sandbox.grader_path)
        python = ["-I", "-B", "-X", "utf8", "-c", start]
        self._child = subprocess.Popen(
            sandbox.command(room.folder, python, self._limits),
            cwd=room.course,
            env=environment(scratch, self._token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=os.name == "posix",
        )
        self._threads = [
            threading.Thread(target=self._listen, args=[self._child.stdout], daemon=True),
            threading.Thread(target=self._drain, args=[self._child.stderr], daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _most_processes(self) -> int | None:
        if os.name != "posix" or not Path("/proc/self").exists():
            return None
        others = 0 if self._uid is not None else processes.threads_of_user()
        return others + self._limits.processes

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._child is not None, "nobody has started it"
        return self._child

    # -- what is said ---------------------------------------------------------------------------

    def hold(self, files: Mapping[str, bytes]) -> None:
        """Have the tests told, then run on the submission, then the grader checked."""
        try:
            if not self._hear_until("ready") or self._run.complaint:
                return
            self._room.put(files)
            self._limit(self._limits.wall)
            self._say({"go": "submission"})
            if not self._hear_until("graded"):
                return
            self._room.put(self._room.stubs)
            self._limit(_LAST_CHECK)
            self._say({"go": "stub"})
            self._hear_until("end")
        except Forged as forged:
            self._run.tampering = f"{forged}."

    def _limit(self, seconds: float) -> None:
        """From now on, so many seconds are left."""
        self._seconds, self._deadline = seconds, time.monotonic() + seconds

    def _hear_until(self, kind: str) -> bool:
        """Write down what the child tells until a message of this kind; False if it ends before."""
        for _ in range(_MOST_MESSAGES):
            message = self._hear()
            if message is None:
                self._ended_early(before=kind)
                return False
            if message["kind"] == "broken":
                raise GradingBroke(f"{self._run.exercise}: {hearing.clean(message.get('why'))}")
            if message["kind"] == "started":
                self._current = str(message.get("nodeid"))
            self._room_for(message)
            if message["kind"] == kind:
                return True
        raise Forged("the grader's process sent more messages than there are tests")

    def _room_for(self, message: dict[str, Any]) -> None:
        course = self._sandbox.course(self._room.folder)
        hearing.write_down(message, self._run, str(course))

    def _hear(self) -> dict[str, Any] | None:
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self._run.ended = (
                    f"It was stopped after {self._seconds:g} seconds, which is the limit"
                    f"{self._during()}."
                )
                return None
            try:
                line = self._lines.get(timeout=min(left, _TICK * 5))
            except queue.Empty:
                if interrupted.is_set():
                    raise Interrupted from None
                if self._running.poll() is not None and self._lines.empty():
                    # A process that was forked may still hold the pipe open: do not wait for it.
                    return None
                continue
            return self._reader.message(line) if line else None

    def _say(self, message: Mapping[str, Any]) -> None:
        pipe = self._running.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # it has ended: its silence will tell
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()

    # -- how it ends ----------------------------------------------------------------------------

    def _ended_early(self, before: str) -> None:
        if self._run.ended and before != "ready":
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._running.wait(timeout=2)
        if not self._run.expected or before == "ready":
            self._end()
            said = hearing.clean(bytes(self._output[-4000:]).decode("utf-8", "replace"))
            raise GradingBroke(f"{self._run.exercise}: the grader did not start.\n{said}".strip())
        self._run.ended = f"{self._how_it_ended()}{self._during()}."
        if before == "end":
            self._run.ended = (
                "The process ended before the grader could check that it had not been changed, so "
                f"nothing counts: {self._how_it_ended()[0].lower()}{self._how_it_ended()[1:]}."
            )

    def _how_it_ended(self) -> str:
        status = self._running.poll()
        if status is None:
            return "The grader's pipe was closed"
        number = -status if status < 0 else status - 128 if status > 128 else 0
        if number == getattr(signal, "SIGXCPU", -1):
            return f"It used more than {self._limits.cpu:g} seconds of processor time"
        if number:
            with contextlib.suppress(ValueError):
                return f"The process was ended by {signal.Signals(number).name}"
        return f"The program ended the process, with exit status {status},"

    def _during(self) -> str:
        expected = {test.nodeid: test.test for test in self._run.expected}
        name = expected.get(self._current)
        return f" in {name}" if name else ""

    def _end(self) -> None:
        processes.end(self._running, self._token, shut_in=self._sandbox.real)
        for thread in self._threads:
            thread.join(timeout=5)

    def close(self) -> None:
        """Leave no process behind."""
        if self._child is None:
            return
        with postponed():
            self._end()
            for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._run.output = hearing.clean(bytes(self._output).decode("utf-8", "replace"))

    # -- in threads -----------------------------------------------------------------------------

    def _listen(self, pipe: IO[bytes]) -> None:
        """Pass on lines; an empty one when there are no more."""
        with contextlib.suppress(OSError, ValueError):
            while line := pipe.readline(MOST_BYTES):
                self._lines.put(line)
        self._lines.put(b"")

    def _drain(self, pipe: IO[bytes]) -> None:
        """Read whatever is printed, so that nobody waits; keep the beginning."""
        with contextlib.suppress(OSError, ValueError):
            while chunk := pipe.read1(65536) if hasattr(pipe, "read1") else pipe.read(65536):
                self._output += chunk[: max(0, self._limits.output - len(self._output))]

"""What a traced world remembers: one `Event` for each thing that happened, in time order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What each kind's `text` says. `lane` is the task it happened to, "" for the world itself.
KINDS: Final = {
    "spawn": "the label of the new task; `lane` is the task that made it",
    "line": "the source line that is about to run, stripped",
    "wait": "what the task waits for, such as 'sleep(0.5)' or 'lock self.lock'",
    "end": "what the task returned, or '' for None",
    "raise": "repr of the exception that leaves the task",
    "cancel": "who asked for it; `lane` is the task that is cancelled",
    "send": "what is sent; `key` ties it to its 'deliver' or 'drop'",
    "deliver": "what arrived",
    "drop": "what was lost, and why",
    "fault": "what was made to go wrong",
    "note": "the text given to world.note()",
    "clock": "what made time move on",
}

SELF_ENDING: Final = ("sleep", "call", "stream", "thread")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a world.

    `time` is in virtual seconds since the world began. `step` counts the callbacks the loop has
    run: events of one task and one step happened without anybody else in between. `file` and
    `line` say where in the watched code, if anywhere. `key` pairs a 'send' with what became of
    it; of a 'wait' it is the sort: one of SELF_ENDING, or "lock", "semaphore", "event",
    "condition", "queue", "barrier", "task", "wait", "group", which end when another task acts.
    """

    time: float
    step: int
    lane: str
    kind: str
    text: str
    file: str | None = None
    line: int | None = None
    key: str = ""

    @property
    def timed(self) -> bool:
        """Of a 'wait': it ends by itself, no other task has to do anything."""
        return (self.key or self.text.partition("(")[0]) in SELF_ENDING

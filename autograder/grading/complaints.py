"""What is wrong with a submission before its behaviour can be judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Complaint:
    """One clear sentence about a file.

    Attributes:
        file: the learner's file; line: where in it, if anywhere.
        says: goes on after the file's name: "could not be read: line 12, '(' was never closed."
        rows: shown below it: the source line and a caret, or what to do.
        unreadable: True if nothing in the file can be graded.
    """

    file: str
    says: str
    rows: tuple[str, ...] = ()
    line: int | None = None
    unreadable: bool = True

    @property
    def cause(self) -> str:
        """Equal for tests that fail of the same thing."""
        return f"{self.file} {self.says}"


class BadSubmission(AssertionError):
    """A learner's file cannot be graded; ``complaint`` says why."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(f"{complaint.file} {complaint.says}")
        self.complaint = complaint


class MissingName(BadSubmission, AttributeError):
    """A test asks for a name that the learner's file does not have."""

"""One line of the doctor's report."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, and what to do about it.

    state: "ok"; "missing", which the course cannot do without; "absent", which only some things
    need.
    """

    name: str
    state: Literal["ok", "missing", "absent"]
    detail: str
    remedy: str = ""

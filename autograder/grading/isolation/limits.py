"""What a submission may use while it is graded."""

from __future__ import annotations

import sys
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """For one exercise.

    Attributes:
        wall, cpu: seconds of real time, and of processor time.
        memory: bytes of address space of each process.
        processes: processes and threads at once.
        files: open files at once; file_size: bytes of one file.
        scratch: bytes of all files that the submission writes, where a sandbox can hold it to that.
        output: bytes kept of what it prints; more is read and thrown away.
    """

    wall: float = 60.0
    cpu: float = 40.0
    memory: int = 2048 * MIB
    processes: int = 128
    files: int = 1024
    file_size: int = 16 * MIB
    scratch: int = 64 * MIB
    output: int = 64 * 1024


def apply(limits: Limits, *, processes: int | None) -> None:
    """Set limits on this process and all that it starts; where the system has such limits.

    `processes` is the highest number that the user of this process may have, None for no limit.
    """
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        "RLIMIT_CPU": (int(limits.cpu) + 1, int(limits.cpu) + 2),
        "RLIMIT_AS": (limits.memory, limits.memory),
        "RLIMIT_FSIZE": (limits.file_size, limits.file_size),
        "RLIMIT_NOFILE": (limits.files, limits.files),
        "RLIMIT_CORE": (0, 0),
    }
    if processes is not None:
        wanted["RLIMIT_NPROC"] = (processes, processes)
    for name, (soft, hard) in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, highest = resource.getrlimit(kind)
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # macOS refuses some, such as RLIMIT_AS
            continue

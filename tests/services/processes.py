"""What Linux's /proc says about processes: who works in a folder, who listens where."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path

PROC = Path("/proc/net/tcp")  # where this is, the rest is too


def at_work_below(folder: Path) -> list[int]:
    """The processes whose current folder is this one or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.joinpath("cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
    return found


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def listening(pid: int) -> set[str]:
    """The addresses on which a process listens."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            sockets.add(str(descriptor.readlink()))
    found = set()
    lines = PROC.read_text().splitlines()[1:]
    for line in lines + PROC.with_name("tcp6").read_text().splitlines()[1:]:
        _, local, _, state, *_, inode = line.split()[:10]
        if state == "0A" and f"socket:[{inode}]" in sockets:
            words = bytes.fromhex(local.partition(":")[0])
            ordered = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
            address = ipaddress.ip_address(ordered)
            found.add(str(getattr(address, "ipv4_mapped", None) or address))
    return found

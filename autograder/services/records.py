"""What is written down about a server that runs, so that another process can find it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .leases import Control
from .model import Service


@dataclass(frozen=True)
class Record:
    """A server, and how to talk to its keeper."""

    service: Service
    control: Control


def state_folder() -> Path:
    """The folder in which the course notes the servers that `course services up` started.

    It belongs to the course in COURSE_ROOT, at or above the current folder, or else to the one
    that this package is part of.
    """
    chosen = os.environ.get("COURSE_ROOT")
    here = Path(chosen).expanduser().resolve() if chosen else Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "exercises").is_dir() and (folder / "lessons").is_dir():
            break
    else:
        folder = Path(__file__).resolve().parents[2]
    return folder / ".course" / "services"


def record_file(folder: Path, name: str) -> Path:
    """Where the record of a server of this name is."""
    return folder / f"{name}.json"


def write(folder: Path, record: Record) -> None:
    """Note a server. Only we can read the word with which its keeper is asked to stop it.

    Raises:
        OSError: the folder cannot be written to.
    """
    service, control = record.service, record.control
    content = {
        "name": service.name,
        "title": service.title,
        "address": service.address,
        "provider": service.provider,
        "more": service.more,
        "port": control.port,
        "token": control.token,
    }
    path = record_file(folder, service.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    beside.replace(path)


def read(folder: Path, name: str) -> Record | None:
    """What is noted about a server of this name; None if that is nothing, or unreadable."""
    try:
        content: dict[str, Any] = json.loads(record_file(folder, name).read_text("utf-8"))
        service = Service(
            name=str(content["name"]),
            title=str(content["title"]),
            address=str(content["address"]),
            provider=str(content["provider"]),
            more=dict(content["more"]),
        )
        return Record(service, Control(int(content["port"]), str(content["token"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(folder: Path, name: str) -> None:
    """Remove what is noted about a server."""
    with contextlib.suppress(OSError):
        record_file(folder, name).unlink()


@contextmanager
def one_at_a_time(folder: Path, name: str) -> Iterator[None]:
    """While one process is in this block, others that want to start the same server wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("wb") as file:
        _lock(file)
        yield


if os.name == "nt":  # pragma: no cover

    def _lock(file: IO[bytes]) -> None:
        import msvcrt

        while True:
            with contextlib.suppress(OSError):
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
                return

else:

    def _lock(file: IO[bytes]) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)

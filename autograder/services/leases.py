"""Starting a keeper, finding it again, and holding on to its server."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import Plan, Unusable

_KEEPER = Path(__file__).with_name("keeper.py")
_ANSWER = 5.0  # seconds that a keeper may take to answer
_END = 90.0  # seconds that a server may take to end


@dataclass(frozen=True)
class Control:
    """How to talk to a keeper: its port on 127.0.0.1, and the word that shows we may."""

    port: int
    token: str


class Lease:
    """A server is kept running for as long as we hold this."""

    def __init__(self, control: Control, connection: socket.socket) -> None:
        self.control = control
        self._connection = connection
        self._received = b""
        self._end: str | None = None

    def ended(self, patience: float = 0.0) -> str | None:
        """Why the server has ended, or None while it runs; waits up to `patience` s for its end."""
        if self._end is None:
            message = self._hear(patience)
            if message is not None:
                log = str(message.get("log", "")).strip()
                self._end = message.get("ended", "its keeper was killed")
                self._end += f". The end of its log:\n{log}" if log else "."
        return self._end

    def ask(self, want: str, patience: float = _ANSWER) -> bool:
        """Ask the keeper for something; whether it agreed. The connection is of no use if not."""
        request = json.dumps({"token": self.control.token, "want": want}).encode() + b"\n"
        with contextlib.suppress(OSError):
            self._connection.sendall(request)
            while message := self._hear(patience):
                if message.get("ok"):
                    return True
        self._connection.close()
        return False

    def stay(self) -> None:
        """Let the server run on when nobody holds it any more."""
        self.ask("stay")

    def release(self) -> None:
        """Let go. If nobody else holds on to the server, it is stopped, and is gone on return."""
        _held.discard(self)
        self.ask("release", _END)
        self.close()

    def close(self) -> None:
        """Hang up, which lets go as well, and does not wait for what comes of it."""
        self._connection.close()

    def _hear(self, patience: float) -> dict[str, Any] | None:
        """One message, {} if the keeper is gone, None if it says nothing in time."""
        self._connection.settimeout(max(patience, 0.000_001))
        try:
            while b"\n" not in self._received:
                data = self._connection.recv(4096)
                if not data:
                    return {}
                self._received += data
        except (TimeoutError, BlockingIOError):
            return None
        except OSError:
            return {}
        line, _, self._received = self._received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


_held: set[Lease] = set()  # what was not released is held until this process ends
_process = os.getpid()


@atexit.register
def _release_all() -> None:
    if os.getpid() == _process:  # a fork of us has its own end
        for lease in list(_held):
            lease.release()


def scratch(name: str) -> Path:
    """A name for a scratch folder; the keeper makes it, and removes it."""
    return Path(tempfile.gettempdir()).resolve() / f"course-{name}-{secrets.token_hex(4)}"


def start(plan: Plan, record: Path | None = None) -> Lease:
    """Start a keeper with this plan, and hold its server, which may not answer yet.

    record: a file about this server, which the keeper removes when the server ends.

    Raises:
        Unusable: not even the keeper could be started.
    """
    token = secrets.token_hex(16)
    data = {**plan.as_data(), "token": token, "record": str(record) if record else None}
    apart: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":  # pragma: no cover
        apart = {"creationflags": 0x08000000 | 0x00000200}  # no window, a group of its own
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-W", "ignore", str(_KEEPER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **apart,
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    with keeper.stdout, keeper.stdin:
        keeper.stdin.write(json.dumps(data).encode() + b"\n")
        keeper.stdin.flush()
        said = keeper.stdout.readline()
    if os.name == "posix":
        keeper.wait()  # it has left a child behind that is nobody's child, and so nobody's zombie
    else:  # pragma: no cover
        keeper.returncode = 0  # it outlives us: let Python not complain that nobody waits for it
    if not said:
        raise Unusable("The process that looks after servers could not be started.")
    held = lease(Control(json.loads(said)["port"], token))
    if held is None:
        raise Unusable("The process that looks after servers was started, and ended at once.")
    return held


def lease(control: Control) -> Lease | None:
    """Hold on to a server that a keeper looks after; None if there is no such keeper any more."""
    held = _connect(control)
    if held is None or not held.ask("lease"):
        return None
    _held.add(held)
    return held


def stop(control: Control) -> bool:
    """Stop a server, whoever holds it; False if its keeper is gone already."""
    asking = _connect(control)
    if asking is None:
        return False
    agreed = asking.ask("stop", _END)
    asking.close()
    return agreed


def _connect(control: Control) -> Lease | None:
    try:
        connection = socket.create_connection(("127.0.0.1", control.port), timeout=_ANSWER)
    except OSError:
        return None
    return Lease(control, connection)

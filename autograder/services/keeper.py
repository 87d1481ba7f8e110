"""Keeps one server running as long as somebody needs it, and leaves nothing behind.

Run as a program of its own, with only the standard library: a plan (see `model.Plan`) comes as JSON
on standard input, and one line of JSON goes to standard output: the port of 127.0.0.1 to talk to.

Whoever needs the server holds a connection to that port, a *lease*. When the last lease is gone,
because its holder let go of it, was killed, or crashed, the server is stopped. No process id is
ever trusted: a connection that breaks says the same on every system, also after SIGKILL.
`course services up` asks it to stay without a lease, and `down` asks it to stop.

The conversation, a line of JSON each way: {"token": ..., "want": "lease" | "stay" | "stop" |
"release"}, answered by {"ok": true}; after a lease, {"ended": "why"} once the server has ended.
A "stop" and the release that ends the server are answered when everything is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POSIX = os.name == "posix"
FIRST_LEASE = 30.0  # seconds until somebody must have taken one
LINES, LETTERS = 12, 200  # of a log that are worth repeating


class Client:
    """A connection, and what has come in on it so far."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.leases = False

    def tell(self, **what: object) -> None:
        with contextlib.suppress(OSError):
            self.connection.settimeout(2)
            self.connection.sendall(json.dumps(what).encode() + b"\n")


class Keeper:
    """One server, its programs, and those who need it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.folder = Path(plan["folder"])
        self.running: list[tuple[dict[str, Any], subprocess.Popen[bytes]]] = []
        self.to_start = list(plan["steps"])
        self.clients: list[Client] = []
        self.waiting_for_the_end: list[Client] = []
        self.wanted = False  # nothing is started before somebody is there to hear what came of it
        self.prepared = False
        self.stays = False
        self.stopping = False
        self.ended = ""
        self.patience = time.monotonic() + FIRST_LEASE
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    # -- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        self.wake_at_signals()
        print(json.dumps({"port": self.listener.getsockname()[1]}), flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever reads it must not wait for more
        try:
            while not self.stopping:
                self.look_after_programs()
                self.leave_if_forgotten()
                if not self.stopping:
                    self.wait()
        except Exception as error:  # such as a disk that is full: tell it, nobody sees our stderr
            self.ended = f"its keeper failed: {error}"
        finally:
            self.stop()

    def wait(self) -> None:
        limit = 0.05 if self.to_start or not POSIX else None
        if not self.wanted:
            limit = max(self.patience - time.monotonic(), 0)
        for key, _ in self.selector.select(limit):
            key.data(key.fileobj)

    def wake_at_signals(self) -> None:
        signal.signal(signal.SIGTERM, self.asked_to_end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not POSIX:
            return
        signal.signal(signal.SIGCHLD, lambda *_: None)
        awake, waker = socket.socketpair()
        for end in (awake, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self.selector.register(awake, selectors.EVENT_READ, lambda _: awake.recv(4096))
        self.waker = waker

    def asked_to_end(self, *_: object) -> None:
        self.stopping = True

    def leave_if_forgotten(self) -> None:
        if not self.wanted and time.monotonic() > self.patience:
            self.stopping = True

    # -- the programs ---------------------------------------------------------------------------

    def prepare(self) -> None:
        self.prepared = True
        self.folder.mkdir(mode=0o700)
        for name, text in self.plan["files"].items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        if self.plan["owner"] and self.as_somebody_else:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, self.plan["owner"])

    @property
    def as_somebody_else(self) -> bool:
        return POSIX and os.getuid() == 0

    def look_after_programs(self) -> None:
        for step, program in list(self.running):
            status = program.poll()
            if status is None:
                continue
            self.running.remove((step, program))
            kill_group(program)  # what it may have left behind
            if step["stays"] or status:
                self.ended = f"{Path(step['argv'][0]).name} ended with {in_words(status)}"
                self.stopping = True
                return
        if not self.wanted:
            return
        if not self.prepared:
            self.prepare()
        if self.to_start and self.may_start_next():
            self.start(self.to_start.pop(0))

    def may_start_next(self) -> bool:
        if not self.running:
            return True
        step, _ = self.running[-1]
        return bool(step["stays"]) and (step["port"] is None or listens(step["port"]))

    def start(self, step: dict[str, Any]) -> None:
        more: dict[str, Any] = {}
        if POSIX:
            more["start_new_session"] = True
            if step["user"] and self.as_somebody_else:
                more.update(user=step["user"], group=group_of(step["user"]), extra_groups=[])
        if sys.platform == "linux":
            more["preexec_fn"] = die_with_the_keeper()
        with (self.folder / "log").open("ab") as log:
            try:
                program = subprocess.Popen(
                    step["argv"],
                    cwd=self.folder,
                    env={**os.environ, **self.plan["env"]},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    **more,
                )
            except (OSError, subprocess.SubprocessError) as error:
                self.ended = f"{step['argv'][0]} could not be started: {error}"
                self.stopping = True
                return
        self.running.append((step, program))

    def stop(self) -> None:
        """End all programs, the youngest first, and remove every trace."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = Path(self.plan["record"] or "")
            if json.loads(record.read_text("utf-8"))["token"] == self.plan["token"]:
                record.unlink()
        self.listener.close()
        tail = self.tail() if self.ended else ""
        for client in self.clients:
            if client.leases and client not in self.waiting_for_the_end:
                client.tell(ended=self.ended or "it was stopped", log=tail)
        for step, program in reversed(self.running):
            end(program, step)
        for argv in self.plan["afterwards"]:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    argv,
                    env={**os.environ, **self.plan["env"]},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=60,
                    check=False,
                )
        shutil.rmtree(self.folder, ignore_errors=True)
        for client in self.waiting_for_the_end:
            client.tell(ok=True)

    def tail(self) -> str:
        try:
            log = (self.folder / "log").read_bytes()[-100_000:].decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line.rstrip()[:LETTERS] for line in log.splitlines() if line.strip()]
        return "\n".join(lines[-LINES:])

    # -- those who need it ----------------------------------------------------------------------

    def accept(self, _: object) -> None:
        with contextlib.suppress(OSError):
            connection, _address = self.listener.accept()
            client = Client(connection)
            self.clients.append(client)
            self.selector.register(connection, selectors.EVENT_READ, lambda _: self.hear(client))

    def hear(self, client: Client) -> None:
        try:
            data = client.connection.recv(4096)
        except OSError:
            data = b""
        client.received += data
        while b"\n" in client.received:
            line, _, client.received = client.received.partition(b"\n")
            try:
                message = json.loads(line)
                trusted = message["token"] == self.plan["token"]
            except (ValueError, TypeError, KeyError):
                trusted = False
            if not trusted:
                data = b""
                break
            self.answer(client, message["want"])
        if not data or len(client.received) > 4096:
            self.forget(client)

    def answer(self, client: Client, want: str) -> None:
        if want == "lease":
            client.leases = self.wanted = True
            client.tell(ok=True)
        elif want == "stay":
            self.stays = True
            client.tell(ok=True)
        elif want == "stop":
            self.stopping = True
            self.waiting_for_the_end.append(client)
        elif want == "release":
            client.leases = False
            if self.stays or any(other.leases for other in self.clients):
                client.tell(ok=True)
            else:
                self.stopping = True
                self.waiting_for_the_end.append(client)

    def forget(self, client: Client) -> None:
        self.selector.unregister(client.connection)
        self.clients.remove(client)
        client.connection.close()
        if client.leases and not self.stays and not any(other.leases for other in self.clients):
            self.stopping = True


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def in_words(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"


def group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def die_with_the_keeper() -> Any:
    """Even a keeper that is killed leaves no server: Linux kills its children with it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    death_signal, kill = 1, int(signal.SIGKILL)
    return lambda: libc.prctl(death_signal, kill)


def end(program: subprocess.Popen[bytes], step: dict[str, Any]) -> None:
    """Ask a program to end, then insist, and leave nobody of its group."""
    if POSIX:
        program.send_signal(signal.Signals[step["polite"]])
    else:
        program.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(step["patience"])
    kill_group(program)
    program.wait()


def kill_group(program: subprocess.Popen[bytes]) -> None:
    if POSIX:
        with contextlib.suppress(OSError):
            os.killpg(program.pid, signal.SIGKILL)
    else:
        program.kill()


if __name__ == "__main__":
    plan = json.loads(sys.stdin.buffer.readline())
    if POSIX and os.fork():
        os._exit(0)  # who started us can wait for this one, and never meets a zombie
    Keeper(plan).run()

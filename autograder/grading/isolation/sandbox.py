"""How the child is shut in: by bubblewrap on Linux, else by limits alone."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .interrupts import postponed
from .limits import Limits

PACKAGE = Path(__file__).resolve().parents[2]
"""The trusted package `autograder`."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SETTINGS = (
    "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/hosts",
    "/etc/ssl", "/etc/alternatives", "/etc/passwd", "/etc/group",
)  # fmt: skip
_FIRST_UID, _UIDS = 61_000, 4_000
"""Nobody has these user ids; each child of root's takes one of its own."""
_children = itertools.count()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A way to shut a child in.

    Attributes:
        kind: "bubblewrap" or "plain".
        notes: what a reader of the verdict has to know of it.
    """

    kind: str
    notes: tuple[str, ...]

    @property
    def real(self) -> bool:
        """True if the child sees no files, no processes and no network but its own."""
        return self.kind == "bubblewrap"

    def new_uid(self) -> int | None:
        """The user that a child becomes, since limits on processes do not bind root."""
        if self.real and _is_root():
            return _FIRST_UID + (os.getpid() * 16 + next(_children)) % _UIDS
        return None

    def course(self, folder: Path) -> Path:
        """Where the child sees the room's course."""
        return Path("/course") if self.real else folder / "course"

    def command(self, folder: Path, python: Sequence[str], limits: Limits) -> list[str]:
        """The command that runs Python with these arguments in a room."""
        if not self.real:
            return [sys.executable, *python]
        return [
            *_bubblewrap(limits),
            *("--ro-bind", str(folder / "course"), "/course"),
            *("--ro-bind", str(PACKAGE), f"/grader/{PACKAGE.name}"),
            *("--chdir", "/course", "--", sys.executable, *python),
        ]

    @property
    def grader_path(self) -> str:
        """The folder that holds the trusted package, as the child sees it."""
        return "/grader" if self.real else str(PACKAGE.parent)


@lru_cache(maxsize=1)
def find_sandbox() -> Sandbox:
    """The best way that there is here."""
    if sys.platform == "win32":
        return _plain(
            "On Windows nothing limits memory, files or the network: "
            "grade strangers on Linux with bubblewrap."
        )
    if sys.platform != "linux":
        return _plain(
            "There is no bubblewrap on this system: the submission can read this user's files and "
            "use the network. Grade strangers on Linux with bubblewrap."
        )
    if shutil.which("bwrap") is None:
        return _plain(
            "bubblewrap is not installed: the submission can read this user's files and use the "
            "network. On Debian and Ubuntu: apt-get install bubblewrap."
        )
    tried = [*_bubblewrap(Limits()), "--", "/bin/true"]
    try:
        with postponed():
            done = subprocess.run(tried, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _plain(f"bubblewrap does not start here: {error}.")
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return _plain(
            f"bubblewrap does not start here ({why[-1] if why else 'no reason given'}): the "
            "submission can read this user's files and use the network."
        )
    return Sandbox(
        "bubblewrap",
        ("bubblewrap: no files but the exercise, no network but loopback, its own processes.",),
    )


def _plain(why: str) -> Sandbox:
    return Sandbox("plain", (f"Not isolated, only limited. {why}",))


def _bubblewrap(limits: Limits) -> list[str]:
    command = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if _is_root():
        # The child becomes another user itself: it needs to be able to, and nothing else.
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--perms", "1777", "--size", str(limits.scratch), "--tmpfs", "/tmp"]
    command += ["--perms", "1777", "--size", str(limits.scratch), "--tmpfs", "/dev/shm"]
    for path in _SYSTEM:
        if Path(path).is_symlink():
            command += ["--symlink", str(Path(path).readlink()), path]
        else:
            command += ["--ro-bind-try", path, path]
    for path in _SETTINGS:
        command += ["--ro-bind-try", path, path]
    for path in _runtime():
        for parent in reversed(Path(path).parents[:-1]):  # bubblewrap's own are for root only
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", path, path]
    command += ["--perms", "0755", "--dir", "/grader"]
    return command


def _runtime() -> Iterator[str]:
    """The folders of this Python that are not the system's."""
    executable = Path(sys.executable).resolve()
    wanted = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(executable.parent.parent)]
    system = tuple(f"{path}/" for path in _SYSTEM)
    seen: list[str] = []
    for path in dict.fromkeys(wanted):
        inside = any(f"{path}/".startswith(f"{other}/") for other in seen)
        if not f"{path}/".startswith(system) and path != "/" and not inside:
            seen.append(path)
            yield path


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def environment(scratch: str, token: str) -> dict[str, str]:
    """What the child finds in its environment: nothing secret, nothing of this machine's user."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "WINDIR") if name in os.environ}
    return {
        **kept,
        "PATH": "/usr/local/bin:/usr/bin:/bin" if os.name == "posix" else os.environ["PATH"],
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": scratch,
        "TMPDIR": scratch,
        "TEMP": scratch,
        "TMP": scratch,
        "COURSE_GRADING": token,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }

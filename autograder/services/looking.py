"""Small things that the servers' files share: ports, programs, conversations in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from .model import NoAnswer

T = TypeVar("T")

PATIENCE = 10.0  # seconds that a server may take to answer a question

_ELSEWHERE = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin")


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at the moment.

    It is below those that systems give to outgoing connections (from 32768 on Linux, from 49152
    elsewhere), one of which might take it before our server does.
    """
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with contextlib.suppress(OSError):  # some systems let two listen, if one does on all addresses
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return False
    with socket.socket() as probe:
        if os.name == "posix":  # elsewhere this option would mean something else
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def program(*names: str) -> str | None:
    """The first of these programs that is here, also in places that PATH often leaves out."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ELSEWHERE])
    for name in names:
        found = shutil.which(name, path=path)
        if found and Path(found).is_file():
            return found
    return None


def apart(conversation: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine to its end in a loop and a thread of its own, wherever we are called from.

    Our caller may be inside a running loop already, or inside a simulated one.

    Raises:
        TimeoutError: it took longer than PATIENCE.
    """
    outcome: list[T] = []
    problem: list[BaseException] = []

    def talk() -> None:
        async def main() -> None:
            async with asyncio.timeout(PATIENCE):
                outcome.append(await conversation())

        try:
            asyncio.run(main())
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=talk, name="services")
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return outcome[0]


def reach(where: str, default_port: int | None = None) -> None:
    """Return if something listens at an address: quick, and before anything heavy is imported.

    Raises:
        NoAnswer: nothing does.
    """
    try:
        parts = urlsplit(where if "//" in where else f"//{where}")
        host, port = parts.hostname, parts.port or default_port
        if host and port:  # else a socket in a file system, or nonsense: the client will see
            socket.create_connection((host, port), timeout=2).close()
    except (OSError, ValueError) as error:
        raise NoAnswer(reason(error)) from None


def reason(error: BaseException) -> str:
    """What went wrong, without numbers and brackets where the error has words."""
    if isinstance(error, TimeoutError):
        return f"no answer in {PATIENCE:g} s"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def package_folders(name: str) -> list[Path]:
    """Where an installed package is, without importing it; nothing if it is not installed."""
    spec = find_spec(name)
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def pip(requirement: str) -> str:
    """What to type to install a package."""
    return f"pip install {requirement}"


def system_package(debian: str, homebrew: str) -> str:
    """What to type to install a system's package; "" if this system has neither manager."""
    if shutil.which("apt-get"):
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        return f"{'' if root else 'sudo '}apt-get install {debian}"
    return f"brew install {homebrew}" if sys.platform == "darwin" else ""


def cache_folder() -> Path:
    """Where this person's programs keep what they can get again."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "callbacks-to-sagas"


def unique(purpose: str = "course") -> str:
    """A name that nobody else uses, fit for a virtual host, a topic or a database."""
    return f"{purpose}_{uuid.uuid4().hex[:12]}"


def succeeds(argv: list[str], patience: float = 10.0) -> bool:
    """Whether a program can be run and ends well within this many seconds."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=patience,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def is_public(folder: Path) -> bool:
    """Whether everybody on this machine may read what is in a folder."""
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (folder, *folder.parents))


def shown(where: str) -> str:
    """An address as it may be printed: without a password."""
    parts = urlsplit(where)
    if parts.password is None:
        return where
    return where.replace(f":{parts.password}@", ":...@")

"""The machine: Python, git, open files, the terminal."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from autograder.course import screen
from autograder.course.doctor.finding import Finding

TESTED = ((3, 11), (3, 12), (3, 13))
ENOUGH_FILES = 1024


def check_machine(root: Path) -> list[Finding]:
    """Return what there is to say about the machine."""
    return [_python(), _environment(), _git(root), _open_files(), _sandbox(), _terminal()]


def _python() -> Finding:
    version = sys.version_info[:2]
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if version < TESTED[0]:
        return Finding("Python", "missing", detail, "install Python 3.11 or newer")
    if version not in TESTED:
        detail += ", newer than the course was tested on (3.11 to 3.13)"
    return Finding("Python", "ok", detail)


def _environment() -> Finding:
    if sys.prefix == sys.base_prefix:
        return Finding("environment", "ok", f"no virtual environment; {sys.prefix}")
    command = screen.activation()
    if command:
        return Finding("environment", "absent", f"{sys.prefix}, not active here", command)
    return Finding("environment", "ok", sys.prefix)


def _git(root: Path) -> Finding:
    if shutil.which("git") is None:
        remedy = "course reset and course update need it: https://git-scm.com"
        return Finding("git", "absent", "not installed", remedy)
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False)
    detail = done.stdout.strip().removeprefix("git version ")
    if not (root / ".git").exists():
        remedy = "course reset and course update need a clone"
        return Finding("git", "absent", f"{detail}; this folder is no clone", remedy)
    return Finding("git", "ok", detail)


def _sandbox() -> Finding:
    if sys.platform != "linux":
        return Finding("sandbox", "ok", "none on this system; only `course grade` would use one")
    if shutil.which("bwrap") is None:
        remedy = "to grade strangers: apt-get install bubblewrap"
        return Finding("sandbox", "absent", "bubblewrap is not installed", remedy)
    return Finding("sandbox", "ok", "bubblewrap")


def _open_files() -> Finding:
    try:
        import resource
    except ImportError:
        return Finding("open files", "ok", "no limit to speak of on this system")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= ENOUGH_FILES:
        limit = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        return Finding("open files", "ok", f"{limit} at a time")
    return Finding("open files", "absent", f"only {soft} at a time", f"ulimit -n {ENOUGH_FILES}")


def _terminal() -> Finding:
    if os.environ.get("NO_COLOR"):
        colours = "no colours: NO_COLOR is set"
    elif sys.stdout.isatty():
        colours = f"colours: {screen.console().color_system or 'none'}"
    else:
        colours = "no colours: this is not a terminal"
    signs = "".join(screen.symbol(name) for name in ("done", "begun", "open"))
    return Finding("terminal", "ok", f"{colours}; signs: {signs}; {sys.stdout.encoding}")

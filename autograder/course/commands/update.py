"""`course update`: a newer version of the course, with every answer left as it is."""

import subprocess
import sys
import tomllib
from pathlib import Path

from autograder.course import screen
from autograder.course.git import blob, require_repository
from autograder.course.root import find_root, shown
from autograder.course.syllabus import Syllabus, read_syllabus
from autograder.course.updating import Update, choose_source, fetch, refuse_if_unsafe, update


def bring_up_to_date(source: str | None, *, install: bool) -> None:
    """Fetch the newest version, bring it in, say what changed, and install what it needs.

    Raises:
        Refusal: git is missing, the clone has no remote, or git is in the middle of something.
    """
    root = find_root()
    require_repository(root)
    refuse_if_unsafe(root)
    source = choose_source(root, source)
    new = fetch(root, source)
    before = read_syllabus(root)
    done = update(root, new)
    if done is None:
        screen.say(f"This is the newest version that {source} has. Nothing changed.")
        return
    _report(root, before, done)
    if _needs(root, done.before) != _needs(root, done.after):
        _install(root, now=install)


def _report(root: Path, before: Syllabus, done: Update) -> None:
    screen.say("The course is up to date.", "bold")
    old = {exercise.label for exercise in before.exercises}
    new = [e.title for e in read_syllabus(root).exercises if e.label not in old]
    if new:
        screen.say(f"  New exercises: {', '.join(new)}.")
    if (root / "CHANGELOG.md").is_file():
        screen.say(f"  What is new: {shown(root / 'CHANGELOG.md', root)}")
    for path in done.kept:
        screen.say(f"  Yours, kept as it is: {path}")
        if f"{path}.new" in done.beside:
            screen.say(f"    The course's new version is beside it: {path}.new")
    for path in done.gone:
        screen.say(f"  Yours, kept, though the course has it no longer: {path}")
    if done.backup:
        screen.say(f"  Copies of your files from before: {shown(done.backup, root)}")


def _needs(root: Path, commit: str) -> object:
    """What the package declares that only an installation brings: dependencies and commands."""
    try:
        project = tomllib.loads((blob(root, commit, "pyproject.toml") or b"").decode())["project"]
    except (ValueError, KeyError):
        return None
    return [project.get(key) for key in ("dependencies", "scripts", "entry-points")]


def _install(root: Path, *, now: bool) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--editable", str(root)]
    typed = f'python -m pip install --editable "{root}"'
    if not now:
        screen.say(f"  The new version needs other packages: {typed}")
        return
    screen.say("  Installing the packages that the new version needs.")
    if subprocess.run(command, check=False).returncode:
        screen.say(f"  That did not work. When you are online again: {typed}")

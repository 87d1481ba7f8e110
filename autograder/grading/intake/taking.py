"""Takes the allow-listed files, and says what else was brought and is not used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.grading import stubs, tree

from .kinds import CannotRead, Source, Unreadable

MOST_BYTES = 256 * 1024
"""A learner's file may have so many bytes; the longest solution has a tenth of it."""
_MOST_LISTED = 20_000
_MOST_IGNORED = 50
_SETTINGS = {
    "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg", "setup.py",
    "pyproject.toml", "conftest.py", "sitecustomize.py", "usercustomize.py", ".coveragerc",
}  # fmt: skip
_TRUSTED_FOLDERS = (
    ".github/",
    "autograder/",
    "solutions/",
    "tests/",
    "tools/",
    ".ci/",
    f"{stubs.FOLDER}/",
)


@dataclass(slots=True)
class Refused:
    """A file that the learner was to write and that is not read; `why` goes on after its path."""

    path: str
    why: str


@dataclass(slots=True)
class Taken:
    """What is graded of a submission.

    Attributes:
        source: its name.
        files: by their paths seen from `exercises/`, the learner's files that are there.
        refused: those that are there and cannot be used, by the same paths.
        places: the same paths, and where in the submission the file is or would be.
        ignored: what else it brings, and why it has no effect.
        complaint: why nothing at all could be taken, else "".
    """

    source: str
    files: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    ignored: list[Refused] = field(default_factory=list)
    complaint: str = ""

    @property
    def digest(self) -> str:
        """Equal for submissions whose graded files are the same."""
        digest = hashlib.sha256(self.complaint.encode())
        for inside, content in sorted(self.files.items()):
            digest.update(f"{inside}\0{len(content)}\0".encode())
            digest.update(content)
        for inside, refused in sorted(self.refused.items()):
            digest.update(f"{inside}\0{refused.why}\0".encode())
        return digest.hexdigest()


def learners_files(root: Path, exercise: tree.Exercise) -> list[str]:
    """What a learner may write for an exercise, seen from `exercises/`: the course's own list."""
    if not exercise.folder:
        return [exercise.file]
    folder = root / "exercises" / exercise.file
    return [f"{exercise.file}/{p.name}" for p in sorted(folder.glob("*.py")) if tree.is_stub(p)]


def take(source: Source, root: Path, exercises: Iterable[tree.Exercise]) -> Taken:
    """Read the files of these exercises from a submission; `root` is the trusted course."""
    wanted = [inside for exercise in exercises for inside in learners_files(root, exercise)]
    listed = list(source.listing(_MOST_LISTED))
    base = _base(source, listed, wanted)
    taken = Taken(source.name)
    for inside in wanted:
        place = _place(source, base, inside)
        taken.places[inside] = place
        _take_one(source, inside, place, taken)
    if isinstance(source, Unreadable):
        taken.complaint = source.why
    elif not taken.files and not taken.refused:
        example = f"exercises/{wanted[0]}" if wanted else "exercises/"
        taken.complaint = (
            f"{source.name} has none of the files to grade, such as {example}: is it a checkout "
            "of the course, a folder shaped like exercises/, or the stubs themselves?"
        )
    taken.ignored = list(_ignored(source, listed, base, root, set(taken.places.values())))
    return taken


def _take_one(source: Source, inside: str, place: str, taken: Taken) -> None:
    entry = source.entry(place)
    if entry is None:
        return
    if entry.kind == "link":
        why = "is a link, or behind one; only regular files are graded."
    elif entry.kind == "other":
        why = "is not a regular file; only regular files are graded."
    elif entry.size > MOST_BYTES:
        why = f"has {entry.size:,} bytes; at most {MOST_BYTES:,} are read."
    else:
        try:
            content = source.read(place, MOST_BYTES + 1)
        except (OSError, CannotRead) as error:
            why = f"could not be read: {error}"
        else:
            if len(content) <= MOST_BYTES:
                taken.files[inside] = content
                return
            why = f"has more than {MOST_BYTES:,} bytes, whatever it says; so many are read."
    taken.refused[inside] = Refused(place, why)


def _base(source: Source, listed: list[str], wanted: list[str]) -> str:
    """The folder of a submission that is shaped like `exercises/`: "" or "some/folder/"."""
    for inside in wanted:
        for path in listed:
            if path == f"exercises/{inside}":
                return "exercises/"
        if source.entry(inside) is not None or source.entry(f"exercises/{inside}") is not None:
            return "" if source.entry(inside) is not None else "exercises/"
    counts: dict[str, int] = {}
    for inside in wanted:
        for path in listed:
            if path.endswith(f"/{inside}"):
                base = path[: -len(inside)]
                counts[base] = counts.get(base, 0) + 1
    if counts:  # a zip with a folder around it; the one with most answers, then the highest
        return max(counts, key=lambda base: (counts[base], -base.count("/")))
    return ""


def _place(source: Source, base: str, inside: str) -> str:
    """Where a file is, or would be; a flat folder of stubs has it under its own name."""
    place = base + inside
    if source.entry(place) is not None:
        return place
    _, _, flat = inside.partition("/")
    for candidate in (flat, flat.rpartition("/")[2]):
        entry = source.entry(candidate)
        if entry is not None and entry.kind != "other":
            return candidate
    return place


def _ignored(
    source: Source, listed: list[str], base: str, root: Path, used: set[str]
) -> Iterator[Refused]:
    """Tests, settings and workflows that differ from the course's own: nice to know, never used."""
    top = base.removesuffix("exercises/") if base.endswith("exercises/") else ""
    told = 0
    for path in listed:
        if path in used or told >= _MOST_IGNORED:
            continue
        inside = path.removeprefix(top)
        why = _why_ignored(inside)
        if inside.startswith(f"{stubs.FOLDER}/"):  # an edition without history brings its stubs
            here = root / "exercises" / inside.removeprefix(f"{stubs.FOLDER}/")
        else:
            here = root / inside
        if why is None or _is_as_here(source, path, here):
            continue
        told += 1
        yield Refused(path, why)


def _why_ignored(inside: str) -> str | None:
    name = inside.rpartition("/")[2]
    if inside.startswith(".github/workflows/"):
        return "a changed workflow; the course's own is used"
    if inside.startswith(_TRUSTED_FOLDERS):
        return "a changed part of the course; the course's own is used"
    if name in _SETTINGS:
        return "changed settings; the course's own are used"
    if name.startswith("test_") and name.endswith(".py"):
        return "a changed test; the course's own graders are used"
    return None


def _is_as_here(source: Source, path: str, here: Path) -> bool:
    entry = source.entry(path)
    if entry is None or entry.kind != "file":
        return False
    try:
        if here.stat().st_size > 4 * MOST_BYTES:
            return entry.size == here.stat().st_size
        mine = here.read_bytes()
        theirs = source.read(path, len(mine) + 4096)
    except (OSError, CannotRead):
        return False
    return mine.replace(b"\r\n", b"\n") == theirs.replace(b"\r\n", b"\n")

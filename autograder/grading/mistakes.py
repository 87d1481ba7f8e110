"""The catalogue of named mistakes: `lessons/mistakes.md`, a section each.

A section's heading is the mistake's name (`### never-awaited`), its first paragraph says in a
sentence what went wrong. Its first link to a lesson tells where to read about it; a link to the
lesson of the module that is being graded comes before that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_HEADING = re.compile(r"#{2,3} +`?(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)`? *#*")
_LESSON = re.compile(r"\[(?P<title>[^\]]+)\]\((?P<file>\d+_\w+\.md)(?:#(?P<anchor>[\w-]+))?\)")
_NAMED = re.compile(r"\[(?P<name>[a-z0-9]+(?:-[a-z0-9]+)+)\] *")
_MARKUP = re.compile(r"[*_`]{1,2}(?=\S)(?P<text>.+?)(?<=\S)[*_`]{1,2}")


class UnknownMistake(LookupError):
    """The catalogue has no section of that name."""


@dataclass(frozen=True, slots=True)
class Section:
    """One mistake in the catalogue.

    Attributes:
        name: its canonical name, also the section's anchor.
        file: the catalogue; line: of the heading, from 1.
        sentence: its first paragraph, without markup: what went wrong.
        text: the whole section as Markdown, without its heading.
        lessons: what it points to, first things first: the file name of a lesson, and the words
            of the link, which are the heading in that lesson.
    """

    name: str
    file: Path
    line: int
    sentence: str
    text: str
    lessons: tuple[tuple[str, str], ...] = ()

    def where_to_read(self, module: str = "") -> tuple[str, str] | None:
        """A lesson's file name and a heading in it: of this module, if there is one."""
        own = [link for link in self.lessons if link[0] == f"{module}.md"]
        return next(iter(own or self.lessons), None)


_root: Path | None = None


def use_root(root: Path) -> None:
    """Read the catalogue of the course in this folder from now on."""
    global _root
    _root = root


def catalogue_file() -> Path:
    """Where the catalogue is."""
    root = _root or Path(__file__).resolve().parents[2]
    return root / "lessons" / "mistakes.md"


def mistake(name: str, message: str) -> str:
    """The message of an assertion that only this mistake can fail: "[name] message".

    Raises:
        UnknownMistake: the catalogue has no such section.
    """
    if catalogue_file().is_file():  # a course that is being written may have none yet
        section(name)
    return f"[{name}] {message}"


def split(message: str) -> tuple[str | None, str]:
    """The mistake that a message names at its beginning, and the rest of it."""
    found = _NAMED.match(message)
    return (found["name"], message[found.end() :]) if found else (None, message)


def names() -> list[str]:
    """Every name in the catalogue, in its order."""
    return list(_sections())


def section(name: str) -> Section:
    """The section of a mistake.

    Raises:
        UnknownMistake: there is none; the error says which names are near.
    """
    known = _sections()
    if name in known:
        return known[name]
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UnknownMistake(f"lessons/mistakes.md has no section {name!r}.{hint}")


def find(name: str) -> Section | None:
    """The section of a mistake, or None."""
    return _sections().get(name)


def explain(name: str) -> str:
    """The text of a section as Markdown, its heading included.

    Raises:
        UnknownMistake: there is none.
    """
    found = section(name)
    return f"### {found.name}\n\n{found.text}\n"


def _sections() -> dict[str, Section]:
    path = catalogue_file()
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> dict[str, Section]:
    """All sections of a catalogue; the other arguments tell its versions apart."""
    found: dict[str, Section] = {}
    current: tuple[str, int] | None = None
    body: list[str] = []
    fenced = False

    def close() -> None:
        if current is not None and current[0] not in found:
            found[current[0]] = _section(path, *current, "\n".join(body).strip())
        body.clear()

    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and re.match(r"#{1,3} ", line):
            close()
            heading = _HEADING.fullmatch(line.rstrip())
            current = (heading["name"], number) if heading else None
            continue
        body.append(line)
    close()
    return found


def _section(path: Path, name: str, line: int, text: str) -> Section:
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = _MARKUP.sub(lambda found: found["text"], paragraph)
    sentence = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", sentence)
    links = [(link["file"], link["title"].replace("`", "")) for link in _LESSON.finditer(text)]
    return Section(name, path, line, sentence, text, tuple(links))

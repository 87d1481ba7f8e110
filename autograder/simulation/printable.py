"""Foreign text made safe to print: no control characters, a known width, an encoding that fits."""

from __future__ import annotations

import unicodedata

LONGEST = 4_000  # characters looked at; more than any width asked for

# What a timeline draws with, and what it falls back on where the stream cannot encode that.
SIGNS: dict[str, str | int | None] = {
    "·": ".",
    "…": "...",
    "→": "->",
    "←": "<-",
    "↯": "!",
    "✗": "x",
    "↳": ">>",
    "│": "|",
    "─": "-",
    "▶": ">",
    "◀": "<",
    "●": "*",
}


def clean(text: str) -> str:
    """`text` on one line: spaces for tabs and newlines, `\\x1b` for what a terminal would obey.

    Line and paragraph separators, marks that turn the direction of writing and lone surrogates
    are escaped too; letters of every script stay.
    """
    text = text[:LONGEST]
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, text))


def _clean_character(character: str) -> str:
    if character.isprintable():
        return character
    if character in "\t\n\r\v\f" or unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def columns(text: str) -> int:
    """How many columns of a terminal `text` (already clean) takes up."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):  # drawn over the character before
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Printer:
    """Makes text fit a stream: its encoding (None: any) and a number of columns.

    Where the timeline's signs cannot be encoded all of them fall back to ASCII, so that rows look
    alike; other characters that cannot become escapes such as `\\xe9`.
    """

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding
        self.plain = False
        try:
            "".join(SIGNS).encode(encoding or "utf-8")
        except UnicodeEncodeError:
            self.plain = True
        except LookupError:  # a stream may claim anything
            self.plain, self.encoding = True, "ascii"
        self.more = "..." if self.plain else "…"

    def say(self, text: str) -> str:
        """`text`, clean and encodable."""
        text = clean(text)
        if self.plain:
            text = text.translate(str.maketrans(SIGNS))
        if self.encoding is None:
            return text
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def cut(self, text: str, width: int) -> str:
        """`text` in at most `width` columns; "…" says that there was more."""
        if columns(text) <= width and len(text) <= 4 * width:
            return text
        room = width - len(self.more)
        if room < 0:
            return ""
        used = 0
        for position, character in enumerate(text):
            used += _columns(character)
            if used > room or position >= 4 * width:  # the second: marks without end on one letter
                return text[:position] + self.more
        return text + self.more

    def pad(self, text: str, width: int) -> str:
        """`text` cut or filled with spaces to exactly `width` columns."""
        text = self.cut(text, width)
        return text + " " * (width - columns(text))


def seconds(time: float) -> str:
    """A virtual time to the millisecond: "0.012 s"."""
    return f"{time:.3f} s"


def plural(count: int, noun: str) -> str:
    """The count and the noun: "1 row", "2 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

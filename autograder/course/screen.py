"""How the command writes: colours in a terminal, plain text in a pipe, any encoding survived."""

import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderResult

SYMBOLS = {"done": "●", "begun": "◐", "open": "○", "yes": "✓", "no": "✗", "dot": "·", "arrow": "→"}
PLAIN = {"done": "#", "begun": "+", "open": ".", "yes": "ok", "no": "no", "dot": "-", "arrow": "->"}
MARKDOWN_STYLES = {"markdown.code": "bold cyan", "markdown.h2": "bold", "markdown.h3": "bold"}


def survive_any_encoding() -> None:
    """Let a stream that cannot write a letter write "?" for it instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def can_write(text: str, stream: IO[str] | None = None) -> bool:
    """Whether the stream (by default the standard output) can write these letters."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def symbol(name: str) -> str:
    """Return a sign such as "done", in plain ASCII where nothing else can be written."""
    return (SYMBOLS if can_write("".join(SYMBOLS.values())) else PLAIN)[name]


def console(*, error: bool = False) -> "Console":
    """Return a Rich console that adds nothing of its own: no highlighting, emoji or markup."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, emoji=False, markup=False, soft_wrap=True)


def say(text: str = "", style: str | None = None) -> None:
    """Write one piece of text to the standard output."""
    if style is None or not sys.stdout.isatty():
        print(text, flush=True)
    else:
        console().print(text, style=style)


def passing(text: str) -> None:
    """Write a line to a terminal's standard error that the next one replaces; "" removes it."""
    sys.stderr.write(f"\r\033[K{text}")
    sys.stderr.flush()


def markdown(text: str) -> None:
    """Write Markdown: rendered in a terminal, without its fences and hashes in a pipe."""
    text = _with_places(text)
    if not sys.stdout.isatty():
        print(_plain(text), flush=True)
        return
    from rich.console import Console
    from rich.markdown import Heading, Markdown
    from rich.theme import Theme

    class Plain(Heading):
        """A heading without a frame, at the left."""

        def __rich_console__(self, console: "Console", options: object) -> "RenderResult":
            self.text.justify = "left"
            yield self.text

    class Lesson(Markdown):
        """Markdown with plain headings."""

        elements = Markdown.elements | {"heading_open": Plain}

    out = Console(emoji=False, theme=Theme(MARKDOWN_STYLES))
    out.print(Lesson(text, code_theme="ansi_dark"), width=min(out.width, 88))


def _with_places(text: str) -> str:
    """Markdown whose links to lessons say where to look: few terminals follow a relative link."""
    return re.sub(r"\[([^\]]+)\]\((\d\d_\w+\.md)(?:#[\w-]+)?\)", r'lessons/\2, "\1"', text)


def _plain(text: str) -> str:
    """Markdown as text: code is indented, between empty lines; headings are lines."""
    lines: list[str] = []
    in_code = False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif in_code:
            lines.append(f"    {line}".rstrip())
            continue
        lines.append("" if line.startswith("```") else re.sub(r"^#+ ", "", line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def width() -> int:
    """Columns to write in, between 40 and 100."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns))


def both_ends(left: str, right: str) -> str:
    """Return one line with `left` and `right` at its ends, or two lines if they do not fit."""
    gap = width() - len(left) - len(right)
    return f"{left}{' ' * gap}{right}" if gap > 1 else f"{left}\n  {right}"


def activation() -> str | None:
    """Return the command that makes `course` work in this terminal, or None if it does already.

    `make learn` calls the command in a terminal in which the virtual environment is not active.
    """
    folder = Path(sys.executable).parent  # not resolved: in a virtual environment it is a link
    found = shutil.which("course")
    if (found and Path(found).parent == folder) or sys.prefix == sys.base_prefix:
        return None
    if os.name == "nt":
        return _from_here(folder / "Activate.ps1")
    script = "activate.fish" if os.environ.get("SHELL", "").endswith("fish") else "activate"
    word = "source" if script.endswith("fish") else "."
    return f"{word} {_from_here(folder / script)}"


def _from_here(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

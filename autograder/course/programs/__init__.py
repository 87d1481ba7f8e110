"""Programs a person runs: `course run NAME`.

A program is a folder here with a `program.py`, whose package has a function `run`. Its parameters
are the options of the command and its docstring is the help; what it returns is the exit status,
None for 0. Other folders hold what graders and programs share.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def program_names() -> list[str]:
    """Return the names of all programs."""
    folders = Path(__file__).parent.iterdir()
    return sorted(folder.name for folder in folders if (folder / "program.py").is_file())


def load_program(name: str) -> Callable[..., Any]:
    """Import a program and return its `run` function."""
    run: Callable[..., Any] = import_module(f"{__name__}.{name}").run
    return run

"""The one file that the course remembers things in: `.course/cache.json`.

Nothing in it is precious. It is rebuilt when it is missing, unreadable or from another version, so
deleting it costs a few seconds of grading and the count of hints already shown.
"""

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

VERSION = 1
Content = dict[str, Any]


def cache_file(root: Path) -> Path:
    """Where the cache of the course in `root` is."""
    return root / ".course" / "cache.json"


def read_cache(root: Path) -> Content:
    """Return what is remembered: "results" and "hints", each a dict by exercise label."""
    try:
        content = json.loads(cache_file(root).read_text("utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        content = {"version": VERSION}
    for section in ("results", "hints"):
        if not isinstance(content.get(section), dict):
            content[section] = {}
    return content


def update_cache(root: Path, change: Callable[[Content], None]) -> None:
    """Apply `change` to the newest content and replace the file whole.

    Of two commands that write at once the later one wins; neither ever sees half a file. A course
    on a read-only disk simply remembers nothing.
    """
    content = read_cache(root)
    change(content)
    path = cache_file(root)
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix="cache-", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1, sort_keys=True)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)

"""What the submissions of a cohort are called, and which of them are whose part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import TypeVar

from autograder.course.refusal import Refusal

T = TypeVar("T")
_PART = re.compile(r"(?P<part>\d+)/(?P<parts>\d+)")


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """A name for each path, safe as a folder's: its last part, or more where two have the same.

    Raises:
        Refusal: the same submission is named twice.
    """
    parts = {path: PurePath(path.rstrip("/\\")).parts for path in paths}
    if len(parts) < len(paths):
        [(twice, _)] = Counter(paths).most_common(1)
        raise Refusal(f"{twice} is named twice.")
    for length in range(1, max(map(len, parts.values()), default=0) + 2):
        names = {path: _safe("-".join(kept[-length:])) for path, kept in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    raise Refusal("Two submissions have the same name; rename one of them.")


def _safe(name: str) -> str:
    return re.sub(r"[^\w.@+-]+", "_", name).strip(".") or "submission"


def part_of(items: Sequence[T], typed: str | None) -> list[T]:
    """Every so-manieth item: "2/5" takes the second, the seventh and so on, None all.

    Raises:
        Refusal: it is not a part.
    """
    if typed is None:
        return list(items)
    found = _PART.fullmatch(typed)
    part, parts = (int(found["part"]), int(found["parts"])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise Refusal(f"--part {typed}: say which part of how many, such as 2/5.")
    return list(items[part - 1 :: parts])

"""Links between the pages of the course lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("lessons/*.md")])
LINK = re.compile(r"\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.finditer(FENCED.sub("", page.read_text("utf-8"))):
        target = page.parent / link["path"] if link["path"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            dead.append(link[0])
    assert not dead, f"{page.name} has dead links: {', '.join(dead)}"


@pytest.mark.parametrize("lesson", sorted(ROOT.glob("lessons/[0-9]*.md")), ids=lambda p: p.stem)
def test_the_readme_maps_every_lesson(lesson: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"](lessons/{lesson.name})" in readme, f"README.md does not link lessons/{lesson.name}"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links to them."""
    text = FENCED.sub("", page.read_text("utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in plain}

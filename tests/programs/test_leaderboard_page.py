"""The leaderboard's page in headless Chromium: `pytest --live tests/programs/`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from autograder.course.programs.leaderboard.program import load, open_all
from autograder.course.programs.leaderboard.stage import Stage

pytest.importorskip(
    "playwright", reason='Playwright is missing: python -m pip install --editable ".[browser]"'
)
from playwright.async_api import Browser, Page, async_playwright, expect

from .test_chat_page import CHROMIUM, LOW_CONTRAST, PATIENCE

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is missing: apt-get install chromium, as root"
    ),
]
expect.set_options(timeout=PATIENCE)
NOTHING_YET = "\N{EN DASH}"


class Hall:
    """A browser, and a leaderboard that runs."""

    def __init__(self, browser: Browser, address: str, stage: Stage) -> None:
        self.browser = browser
        self.address = address
        self.stage = stage
        self.complaints: list[str] = []

    async def visit(self, name: str, *, width: int = 1280, scheme: Any = "light") -> Page:
        """A page of its own, of somebody of this name, with a board on it."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))
        await page.add_init_script(f"sessionStorage.setItem('name', {name!r})")
        await page.goto(self.address)
        await expect(page.locator("#state")).to_have_attribute("data-mood", "good")
        await expect(page.locator("#board .row")).to_have_count(10)
        return page

    def _heard(self, kind: str, text: str) -> None:
        # A version after a greater one is a warning of the page's own.
        if kind in ("error", "warning") and "WebSocket connection to" not in text:
            self.complaints.append(text)


@pytest.fixture
async def hall(redis_url: str) -> AsyncIterator[Hall]:
    answer, path = load(mine=False)
    async with async_playwright() as playwright, contextlib.AsyncExitStack() as stack:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.push_async_callback(browser.close)
        address, stage = await stack.enter_async_context(
            open_all(answer, path, redis_url, players=12, rate=100)
        )
        hall = Hall(browser, address, stage)
        yield hall
        for context in browser.contexts:
            await context.close()
    assert hall.complaints == []


async def test_the_board_lives_and_says_how_much(hall: Hall) -> None:
    """Ten rows in order, that change; how much comes in and how long it takes."""
    page = await hall.visit("Viewer")
    before = await page.locator("#version").inner_text()
    await expect(page.locator("#version")).not_to_have_text(before)
    rows = """() => [...document.querySelectorAll("#board .row")].map((row) =>
        [row.querySelector(".rank"), row.querySelector(".points")].map((part) =>
            Number(part.textContent.replaceAll(",", ""))))"""
    shown = await page.evaluate(rows)
    assert [rank for rank, _ in shown] == list(range(1, 11))
    points = [score for _, score in shown]
    assert points == sorted(points, reverse=True)
    await expect(page.locator("#taken")).not_to_have_text("0 a second")
    await expect(page.locator("#scores-second")).not_to_have_text("0")
    await expect(page.locator("#boards-second")).not_to_have_text("0")
    await expect(page.locator("#all-p99")).to_contain_text("ms")
    await expect(page.locator("#workers li")).to_have_text(
        ["worker 1: at work", "worker 2: at work"]
    )


async def test_one_plays_and_sees_how_long_it_took(hall: Hall) -> None:
    """A score of one's own is on the board, and the page has measured its way."""
    page = await hall.visit("Mirja")
    await expect(page.locator("#here-p50")).not_to_have_text(NOTHING_YET)
    await page.get_by_label("Play for me").uncheck()
    other = await hall.visit("Jussi")
    await other.get_by_label("Play for me").uncheck()
    for _ in range(3):
        await page.get_by_role("button", name="Score").click()
    own = page.locator("#board .own .name")
    await page.get_by_label("Play for me").check()
    await expect(own).to_have_text("Mirja")
    await expect(page.locator("#you-text")).to_contain_text("Place")
    await expect(other.locator("#board .name", has_text="Mirja")).to_have_count(1)
    assert float(await page.locator("#here-p50").inner_text()) > 0


async def test_the_buttons_make_trouble_and_it_heals(hall: Hall) -> None:
    """A worker dies and is replaced, Redis is cut off, somebody reads nothing: the board lives."""
    page = await hall.visit("Viewer")
    await page.get_by_role("button", name="Kill a worker").click()
    await expect(page.locator("#workers .dead")).to_have_text("worker 1: killed")
    await page.get_by_role("button", name="Add a deaf viewer").click()
    await expect(page.locator("#deaf")).to_have_text("One viewer reads nothing.")
    await page.get_by_role("button", name="Cut Redis off").click()
    await expect(page.locator("#workers .dead")).to_have_count(0)
    before = await page.locator("#version").inner_text()
    await expect(page.locator("#version")).not_to_have_text(before)
    await page.locator("#rate").fill("0")
    await expect(page.locator("#sent")).to_have_text("0 a second")
    assert hall.stage.crowd.rate == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1280])
async def test_it_can_be_read_and_used_by_all(hall: Hall, width: int, scheme: str) -> None:
    """Text contrasts, controls have names, the keyboard reaches them, nothing sticks out."""
    page = await hall.visit("a name without space", width=width, scheme=scheme)
    await expect(page.locator("#here-p50")).not_to_have_text(NOTHING_YET)
    await page.get_by_role("button", name="Kill a worker").click()
    await expect(page.locator("#workers .dead")).to_have_count(1)
    assert await page.evaluate(LOW_CONTRAST) == []
    assert not await page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    for role in ("main", "status"):
        await expect(page.get_by_role(role)).to_have_count(1 if role == "main" else 2)  # type: ignore[arg-type]
    nameless = """() => [...document.querySelectorAll("button, input")].filter(
        (e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.id)"""
    assert await page.evaluate(nameless) == []
    reached = set()
    for _ in range(15):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("() => document.activeElement.id"))
    assert {"name", "score", "auto", "rate", "kill", "cut", "deafen"} <= reached


async def test_what_people_write_stays_text(hall: Hall) -> None:
    """Markup in a name is shown, on everybody's board, and does nothing."""
    nasty = "<b onclick=x>hi"
    page = await hall.visit(nasty)
    await expect(page.locator("#board .own .name")).to_have_text(nasty)
    assert await page.locator("#board b").count() == 0
    assert await page.title() == "Leaderboard"

"""The chat's page in headless Chromium: `pytest --live tests/programs/test_chat_page.py`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from autograder.course.programs.chat.program import load
from autograder.course.programs.chat.router import Router
from autograder.course.programs.chat.site import make_app
from autograder.course.programs.pages import open_site

pytest.importorskip(
    "playwright", reason='Playwright is missing: python -m pip install --editable ".[browser]"'
)
from playwright.async_api import Browser, Page, async_playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is missing: apt-get install chromium, as root"
    ),
]
PATIENCE = 30_000  # ms of real time, after which a condition that is waited for has failed
expect.set_options(timeout=PATIENCE)

LOW_CONTRAST = """
() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = numbers(getComputedStyle(node).backgroundColor);
      if ((color[3] ?? 1) > 0.99) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(".unseen")) continue;
    const [a, b] = [numbers(getComputedStyle(node).color), ground(node)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${node.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
}
"""


class Stand:
    """A browser, and a chat whose server can be restarted behind the page's back."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.address = ""
        self.complaints: list[str] = []
        self._router = Router(0)
        self._serving: Any = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Stand]:
        await self.start_server()
        try:
            async with (
                self._router.open(),
                open_site(make_app(self._router, "solutions/chat_server.py"), 0) as port,
            ):
                self.address = f"http://127.0.0.1:{port}/"
                yield self
                for context in self.browser.contexts:
                    await context.close()
        finally:
            await self.stop_server()

    async def start_server(self) -> None:
        serve_chat, _ = load(mine=False)
        self._serving = serve_chat("127.0.0.1", 0, heartbeat=1.0)
        server = await self._serving.__aenter__()
        self._router.inner = next(iter(server.sockets)).getsockname()[1]

    async def stop_server(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            await serving.__aexit__(None, None, None)

    async def visit(self, name: str, *, width: int = 1280, scheme: Any = "light") -> Page:
        """A page of its own, of a person of this name, connected."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))
        await page.add_init_script(f"sessionStorage.setItem('name', '{name}')")
        await page.goto(self.address)
        await connected(page)
        return page

    def _heard(self, kind: str, text: str) -> None:
        # That a connection fails is what these tests are about; Chromium notes it as an error.
        if kind == "error" and "WebSocket connection to" not in text:
            self.complaints.append(text)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            async with Stand(browser).open() as stand:
                yield stand
        finally:
            await browser.close()
    assert stand.complaints == []


async def connected(page: Page) -> None:
    await expect(page.locator("#state")).to_have_attribute("data-mood", "good")


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Say something").fill(text)
    await page.keyboard.press("Enter")


async def hears(page: Page, *texts: str) -> None:
    """Exactly these are in the log, each confirmed, in this order."""
    await expect(page.locator("#messages .message:not(.pending) .text")).to_have_text(list(texts))
    await expect(page.locator("#messages .pending")).to_have_count(0)


async def test_two_people_talk(stand: Stand) -> None:
    """What one page says is read on the other; both show who is here and how the line is."""
    ada, bob = await stand.visit("ada"), await stand.visit("bob", scheme="dark")
    await say(ada, "hello")
    await say(bob, "hello, Ada")
    for page in (ada, bob):
        await hears(page, "hello", "hello, Ada")
        await expect(page.locator("#people li")).to_contain_text(["ada", "bob"])
        await expect(page.locator("#state-text")).to_contain_text("connected, answers in")
        await expect(page.locator("#fact-last")).to_have_text("#2")
    await bob.context.close()
    await expect(ada.locator("#people li")).to_have_count(1)
    await expect(ada.locator("#messages .event").last).to_have_text("bob left")


async def test_rooms_are_apart_and_count_what_is_new(stand: Stand) -> None:
    """Each room has its own log; what comes in a room one is not looking at is counted."""
    ada, bob = await stand.visit("ada"), await stand.visit("bob")
    await ada.get_by_role("textbox", name="Name of a new room").fill("Boats")
    await ada.keyboard.press("Enter")
    await connected(ada)
    await expect(ada.locator("h1")).to_contain_text("boats")
    await say(ada, "in boats")
    await say(bob, "in the lobby")
    lobby = ada.locator("#rooms button", has_text="lobby")
    await expect(lobby.locator(".count")).to_contain_text("1")
    await hears(ada, "in boats")
    await lobby.click()
    await hears(ada, "in the lobby")
    await expect(ada.locator("#rooms .count")).to_have_count(0)


async def test_a_cut_line_comes_back_to_what_it_missed(stand: Stand) -> None:
    """What is missed and what is said while a line is shut is there when it is open again."""
    ada, bob = await stand.visit("ada"), await stand.visit("bob")
    await say(ada, "one")
    await hears(bob, "one")
    await bob.get_by_role("button", name="Keep it shut").click()
    await expect(bob.locator("#state")).to_have_attribute("data-mood", "bad")
    await say(bob, "from the tunnel")
    await expect(bob.locator("#messages .pending .id")).to_have_text("on its way")
    await say(ada, "two")
    await hears(ada, "one", "two")
    await bob.get_by_role("button", name="Keep it shut").click()
    await connected(bob)
    await hears(bob, "one", "two", "from the tunnel")
    await hears(ada, "one", "two", "from the tunnel")
    await bob.get_by_role("button", name="Cut it").click()
    await expect(bob.locator("#fact-pending")).to_have_text("0")
    await say(ada, "three")
    await hears(bob, "one", "two", "from the tunnel", "three")


async def test_a_line_that_goes_silent_is_noticed(stand: Stand) -> None:
    """A half-open line is noticed by the page's own pings; nothing is lost, nothing comes twice."""
    ada, bob = await stand.visit("ada"), await stand.visit("bob")
    await say(ada, "one")
    await hears(bob, "one")
    await bob.get_by_role("button", name="Let it go silent").click()
    await say(bob, "does anybody hear me?")
    await say(ada, "two")
    await expect(bob.locator("#state-text")).to_contain_text("no answer")
    await connected(bob)
    await hears(bob, "one", "two", "does anybody hear me?")
    await hears(ada, "one", "two", "does anybody hear me?")
    await expect(bob.locator("#beats .missed")).to_have_count(1)
    await expect(bob.locator("#fact-connections")).to_have_text("2")


async def test_a_server_that_forgot_begins_anew(stand: Stand) -> None:
    """After a restart the server's numbers begin at 1; the page notices and begins anew."""
    ada = await stand.visit("ada")
    await say(ada, "before")
    await say(ada, "also before")
    await hears(ada, "before", "also before")
    await stand.stop_server()
    await expect(ada.locator("#state")).to_have_attribute("data-mood", "bad")
    await stand.start_server()
    await connected(ada)
    bob = await stand.visit("bob")
    await say(bob, "after")
    await hears(ada, "after")
    await expect(ada.locator("#messages .event", has_text="lost its memory")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1280])
async def test_it_can_be_read_and_used_by_all(stand: Stand, width: int, scheme: str) -> None:
    """Text contrasts, controls have names, the keyboard reaches them, nothing sticks out."""
    page = await stand.visit("ada", width=width, scheme=scheme)
    await say(page, "a-long-word-without-any-space-" * 20)
    await expect(page.locator("#messages .message:not(.pending)")).to_have_count(1)
    if not await page.get_by_role("button", name="Cut it").is_visible():
        await page.locator("summary").click()
    await page.get_by_role("button", name="Keep it shut").click()
    await expect(page.locator("#state")).to_have_attribute("data-mood", "bad")
    await say(page, "on its way")
    assert await page.evaluate(LOW_CONTRAST) == []
    sticks_out = "() => document.documentElement.scrollWidth > innerWidth"
    assert not await page.evaluate(sticks_out)
    for role in ("navigation", "main", "log", "status"):
        await expect(page.get_by_role(role)).to_have_count(1)  # type: ignore[arg-type]
    nameless = """() => [...document.querySelectorAll("button, input")].filter(
        (e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.id)"""
    assert await page.evaluate(nameless) == []
    reached = set()
    for _ in range(25):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("() => document.activeElement.id"))
    assert {"name", "room", "log", "text", "cut", "forget", "shut"} <= reached


async def test_what_people_write_stays_text(stand: Stand) -> None:
    """Markup in names, rooms and messages is shown, and does nothing."""
    nasty = "<img src=x onerror=document.title='owned'>"
    ada = await stand.visit("ada")
    await ada.get_by_role("textbox", name="Your name").fill(nasty[:24])
    await ada.keyboard.press("Enter")
    await connected(ada)
    await say(ada, nasty)
    await hears(ada, nasty)
    await expect(ada.locator("#people li")).to_contain_text([nasty[:24]])
    assert await ada.title() == "Chat"

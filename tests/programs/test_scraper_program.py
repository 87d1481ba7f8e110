"""`course run scraper`: ten local shops over real HTTP, and what is made of their prices."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from aiohttp import web
from rich.console import Console

from autograder.course.programs.scraper import program, results, scrapers, shop_list
from autograder.course.programs.scraper.display import Display
from autograder.course.programs.scraper.local import open_shops
from autograder.course.programs.scraper.shops import ShopServer, status
from autograder.course.programs.scraper.ten import LocalShop, ten_shops
from autograder.course.refusal import Refusal
from autograder.simulation import run_world

ROOT = Path(__file__).resolve().parents[2]
GIVEN = "# --- Given: the types"
TO_WRITE = "# --- To write: prices"

# What a program says of a report is tried on a quick one: two shops that answer at once.


def quick_shops() -> list[LocalShop]:
    """A shop with one good page and one that is gone, and a shop with the same good page."""
    bergmann = next(shop for shop in ten_shops() if shop.slug == "bergmann")
    pages = {**bergmann.pages, "/old": status(410)}
    return [
        LocalShop(
            "First", "first", "a note", ("/angebote", "/old"), pages, bergmann.sells, delay=0
        ),
        LocalShop("Second", "second", "", ("/angebote",), bergmann.pages, bergmann.sells, delay=0),
    ]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ten_shops", quick_shops)
    monkeypatch.chdir(ROOT)


def test_it_prints_prices_failures_and_times(
    quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    program.run()
    printed = capsys.readouterr().out
    assert "1,299.00  EUR  First" in printed
    assert "410 Gone" in printed
    assert "a note" in printed
    assert "2 shops in " in printed
    assert "One shop after another would take about " in printed
    assert "\x1b" not in printed, "a pipe gets plain text"


def test_prices_are_saved_as_csv(quick: None, tmp_path: Path) -> None:
    program.run(save=tmp_path / "prices.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "prices.csv").read_text("utf-8"))))
    assert len(rows) == 8
    assert rows[1]["shop"] == "First"
    assert Decimal(rows[1]["amount"]) == Decimal("1299.00")
    assert rows[1]["currency"] == "EUR"


def test_prices_are_saved_as_json(quick: None, tmp_path: Path) -> None:
    program.run(save=tmp_path / "prices.json")
    saved = json.loads((tmp_path / "prices.json").read_text("utf-8"))
    assert len(saved["offers"]) == 8
    assert saved["failures"][0]["reason"] == "410 Gone"
    assert [shop["shop"] for shop in saved["shops"]] == ["First", "Second"]


@pytest.mark.parametrize("name", ["prices.xlsx", "prices", "nowhere/prices.csv"])
def test_what_cannot_be_saved_is_refused_before_anything_is_scraped(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(Refusal):
        program.run(save=tmp_path / name)


def test_own_urls_are_scraped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "shops.toml"
    # Nobody listens on port 1 of this machine: refused at once, without a network.
    file.write_text(
        '[options]\nattempts = 1\n[[shop]]\nname = "Mine"\nurls = ["http://127.0.0.1:1/"]\n'
    )
    program.run(shops=file)
    printed = capsys.readouterr().out
    assert "Mine" in printed
    assert "http://127.0.0.1:1/" in printed


def test_ctrl_c_stops_it_calmly(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(main: Any) -> None:
        main.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(program.asyncio, "run", interrupted)
    with pytest.raises(typer.Exit) as stopped:
        program.run()
    assert stopped.value.exit_code == 130
    assert "nothing is left running" in capsys.readouterr().out


async def test_shops_close_while_an_answer_is_being_made() -> None:
    arrived = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.sleep(3600)
        return web.Response()

    slow = [LocalShop("Slow", "slow", "", ("/",), {"/": never}, (), delay=0)]
    async with aiohttp.ClientSession() as session:
        async with open_shops(slow, lambda name, visit: None) as wanted:
            url = wanted.shops[0].urls[0]
            asking = asyncio.create_task(session.get(url))
            await arrived.wait()
        with pytest.raises(aiohttp.ClientError):
            await asking
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)


def test_a_scraper_that_is_not_written_is_named(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course_with(tmp_path, (ROOT / "exercises" / scrapers.FILE).read_text("utf-8"), monkeypatch)
    with pytest.raises(Refusal, match="is not written yet"):
        program.run(mine=True)


def test_my_own_scraper_is_used(
    quick: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    course_with(tmp_path, (ROOT / "solutions" / scrapers.FILE).read_text("utf-8"), monkeypatch)
    program.run(mine=True)
    assert f"by exercises/{scrapers.FILE}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return shops", "no Report"),
        ("return 1 / 0", "line 14 raised ZeroDivisionError"),
    ],
)
def test_a_broken_scraper_gets_one_sentence(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    source = (
        "class Shop:\n    def __init__(self, *parts):\n        self.parts = parts\n\n\n"
        "class Selectors(Shop):\n    pass\n\n\nclass Report:\n    pass\n\n"
        f"async def scrape(shops, watch=None):\n    {body}\n"
    )
    course_with(tmp_path, source, monkeypatch)
    with pytest.raises(Refusal, match=says):
        program.run(mine=True)


def course_with(folder: Path, scraper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a course in `folder` in which the learner has written this scraper."""
    file = folder / "exercises" / scrapers.FILE
    file.parent.mkdir(parents=True)
    (folder / "lessons").mkdir()
    file.write_text(scraper, "utf-8")
    monkeypatch.setenv("COURSE_ROOT", str(folder))
    monkeypatch.chdir(folder)


def test_ten_shops_take_as_long_as_the_slowest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    reference = scrapers.load(mine=False)

    async def scrape(world: Any, shops: list[LocalShop], port: int) -> tuple[Any, float]:
        wanted = []
        for shop in shops:
            await world.network.serve_app(shop.server().app(), f"{shop.slug}.example", port)
            urls = tuple(f"http://{shop.slug}.example:{port}{path}" for path in shop.paths)
            wanted.append(shop_list.WantedShop(shop.name, urls, shop.selectors))
        started = world.time()
        report = await reference.scrape(shop_list.ShopList(wanted), lambda shop, text: None)
        return report, world.time() - started

    async def program(world: Any) -> None:
        _, together = await scrape(world, ten_shops(), 80)
        alone = [(await scrape(world, [s], 8000 + n))[1] for n, s in enumerate(ten_shops())]
        assert together <= 1.1 * max(alone), f"{together} s together, the slowest {max(alone)} s"
        assert together < 0.5 * sum(alone), f"{together} s together, {sum(alone)} s in turn"

    outcome = run_world(program)
    if outcome.error is not None:
        raise outcome.error
    assert not outcome.problems


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[shop", "no TOML"),
        ("", "names no shop"),
        ("[shops]", r"there is no \[shops\]"),
        ("[[shop]]\nurls = ['http://a.example/']", "shop 1 has no name"),
        ("[[shop]]\nname = 'A'", "has no urls"),
        ("[[shop]]\nname = 'A'\nurls = ['a.example']", "is no http:// or https:// URL"),
        ("[[shop]]\nname = 'A'\nurls = ['http://a/']\nselectors = { item = 'x' }", "are three"),
        ("[[shop]]\nname='A'\nurls=['http://a/']\n[[shop]]\nname='A'\nurls=['http://a/']", "two"),
        ("[options]\nretries = 3\n[[shop]]\nname='A'\nurls=['http://a/']", "no option 'retries'"),
        ("[options]\nper_host = 0\n[[shop]]\nname='A'\nurls=['http://a/']", "more than 0"),
        ("[options]\nattempts = 1.5\n[[shop]]\nname='A'\nurls=['http://a/']", "whole number"),
    ],
)
def test_a_file_of_shops_is_checked(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "shops.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(Refusal, match=says):
        shop_list.read(file)


def test_a_file_of_shops_is_read(tmp_path: Path) -> None:
    file = tmp_path / "shops.toml"
    file.write_text(
        "[options]\nper_host = 1\ntimeout = 10.0\n"
        "[[shop]]\nname = 'Bergmann'\nurls = ['https://b.example/angebote']\n"
        "selectors = { item = '.card', name = '.title', price = '.cost' }\n",
        "utf-8",
    )
    wanted = shop_list.read(file)
    assert wanted.options == {"per_host": 1, "timeout": 10.0}
    assert wanted.shops == [
        shop_list.WantedShop(
            "Bergmann", ("https://b.example/angebote",), (".card", ".title", ".cost")
        )
    ]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read"):
        shop_list.read(tmp_path / "none.toml")


def test_the_display_follows_a_shop() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    display = Display(console, "Scraping")
    display.expect(["Alder", "Bergmann"], {"Alder": "a note"})
    with display:
        display.tell("Alder", "page 2")
        display.tell("Bergmann", "done")
        display.tell("somebody else", "ignored")
    shown = stream.getvalue()
    assert "page 2" in shown
    assert "a note" in shown
    assert "✓" in shown


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TimeoutError(), "no answer in time"),
        (aiohttp.ServerDisconnectedError(), "closed the connection"),
        (ValueError("no price in 'x'"), "no price in 'x'"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_a_failure_is_explained_in_a_few_words(error: Exception, says: str) -> None:
    assert says in results.reason(error)


def test_a_shop_keeps_a_book_of_its_visitors() -> None:
    async def program(world: Any) -> ShopServer:
        server = ShopServer({"/": "<p>hello"}, delay=1.0)
        await world.network.serve_app(server.app(), "shop.example", 80)
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/gone"):
                async with session.get(f"http://shop.example{path}") as response:
                    await response.read()
        return server

    server = run_world(program).result
    assert [(visit.path, visit.status) for visit in server.visits] == [("/", 200), ("/gone", 404)]
    assert all(visit.answered for visit in server.visits)
    assert server.peak == 1


def test_what_the_stub_gives_is_what_the_solution_has() -> None:
    given = [
        (ROOT / folder / scrapers.FILE)
        .read_text("utf-8")
        .partition(GIVEN)[2]
        .partition(TO_WRITE)[0]
        for folder in ("exercises", "solutions")
    ]
    assert given[0] == given[1] != ""

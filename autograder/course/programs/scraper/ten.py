"""The ten local shops: what they sell, how they say it, and what is wrong with some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autograder.course.programs.scraper import markup
from autograder.course.programs.scraper.catalogue import (
    BLANKET,
    CHAIR,
    KETTLE,
    LAMP,
    PAN,
    RADIO,
    Item,
    american,
    british,
    french,
    german,
    items,
    swiss,
)
from autograder.course.programs.scraper.shops import (
    Handler,
    ShopServer,
    drop,
    in_turn,
    rate_limited,
    raw,
    status,
)


@dataclass(frozen=True)
class LocalShop:
    """One of the ten. `sells` and `fails` are what a correct scrape of `paths` finds."""

    name: str
    slug: str
    note: str
    """What is special about it, for people."""
    paths: tuple[str, ...]
    """Where a scrape starts."""
    pages: Mapping[str, str | Handler]
    sells: tuple[Item, ...]
    fails: tuple[str, ...] = ()
    """Paths that give a failure and no prices, however often one asks."""
    delay: float = 0.1
    """Seconds it takes to answer each request."""
    selectors: tuple[str, str, str] | None = None
    """CSS selectors of an item, its name and its price, where there is no structured data."""

    def server(self) -> ShopServer:
        """A server for this shop, with an empty visitors' book."""
        return ShopServer(self.pages, self.delay)


CARDS = (".card", ".title", ".cost")


def ten_shops() -> list[LocalShop]:
    """Ten new shops: some of their pages remember who has asked, so none is used twice."""
    return [
        _alder(), _bergmann(), _cabane(), _dunmore(), _edelweiss(),
        _foret(), _granite(), _harbour(), _ivory(), _juniper(),
    ]  # fmt: skip


def _alder() -> LocalShop:
    sells = items("USD", "1.12", LAMP, CHAIR, RADIO)
    pages = {f"/p/{n}": markup.json_ld(item) for n, item in enumerate(sells, 1)}
    return LocalShop("Alder & Oak", "alder", "JSON-LD, one page a product", tuple(pages), pages,
                     sells, delay=0.12)  # fmt: skip


def _bergmann() -> LocalShop:
    sells = items("EUR", "1.00", LAMP, CHAIR, KETTLE, PAN)
    pages = {"/angebote": markup.microdata("Angebote", sells, write=german)}
    return LocalShop("Bergmann", "bergmann", "microdata, 1.299,00 €", ("/angebote",), pages, sells,
                     delay=0.18)  # fmt: skip


def _cabane() -> LocalShop:
    sells = items("EUR", "0.97", BLANKET, KETTLE)
    pages = {f"/produit/{n}": markup.open_graph(item) for n, item in enumerate(sells, 1)}
    return LocalShop("Cabane", "cabane", "Open Graph tags only", tuple(pages), pages, sells,
                     delay=0.15)  # fmt: skip


def _dunmore() -> LocalShop:
    sells = items("GBP", "0.86", CHAIR, BLANKET, RADIO)
    pages = {"/sale": markup.json_ld_graph("Sale", sells)}
    return LocalShop("Dunmore", "dunmore", "JSON-LD, products in an @graph", ("/sale",), pages,
                     sells, delay=0.22)  # fmt: skip


def _edelweiss() -> LocalShop:
    sells = items("CHF", "1.00", CHAIR, KETTLE, LAMP)
    pages = {"/": markup.plain("Sortiment", sells, write=swiss)}
    return LocalShop("Edelweiss", "edelweiss", "plain HTML, CHF 1'299.-", ("/",), pages, sells,
                     delay=0.09, selectors=CARDS)  # fmt: skip


def _foret() -> LocalShop:
    sells = items("EUR", "1.03", PAN, CHAIR, LAMP, RADIO, KETTLE, BLANKET)
    pages = {
        "/tout": markup.plain("Tout", sells[:2], write=french, next_url="/tout?page=2"),
        "/tout?page=2": markup.plain("Tout", sells[2:4], write=french, next_url="?page=3"),
        # The last page of a real shop once led back to the first.
        "/tout?page=3": markup.plain("Tout", sells[4:], write=french, next_url="/tout"),
    }
    return LocalShop("Forêt", "foret", "three pages, the last links to the first", ("/tout",),
                     pages, sells, delay=0.25, selectors=CARDS)  # fmt: skip


def _granite() -> LocalShop:
    sells = items("USD", "1.08", KETTLE, PAN)
    pages = {f"/item/{n}": markup.json_ld(i, offers_as_list=True) for n, i in enumerate(sells, 1)}
    return LocalShop("Granite Goods", "granite", "slow: 1.6 s for every answer", tuple(pages),
                     pages, sells, delay=1.6)  # fmt: skip


def _harbour() -> LocalShop:
    sells = items("GBP", "0.89", LAMP, RADIO)
    pages: dict[str, str | Handler] = {
        "/lamp": in_turn(status(503), markup.json_ld(sells[0])),
        # Twice, because aiohttp itself repeats a GET once when the connection breaks.
        "/radio": in_turn(drop, drop, markup.microdata("Radios", sells[1:], write=british)),
        "/clearance": status(500),
    }
    return LocalShop("Harbour Lane", "harbour", "failing: 503, dropped connections, 500",
                     tuple(pages), pages, sells, fails=("/clearance",))  # fmt: skip


def _ivory() -> LocalShop:
    sells = items("USD", "1.15", BLANKET, PAN, CHAIR)
    html = {f"/{n}": markup.plain(i.name, [i], write=american) for n, i in enumerate(sells, 1)}
    return LocalShop("Ivory", "ivory", "one page a second, else 429 with Retry-After",
                     tuple(html), rate_limited(html, every=1.0), sells, delay=0.05,
                     selectors=CARDS)  # fmt: skip


def _juniper() -> LocalShop:
    sells = items("EUR", "0.99", BLANKET)
    good = markup.microdata("Blankets", sells)
    pages: dict[str, str | Handler] = {
        "/blankets": good.removesuffix("</nav></body></html>"),  # cut short, and still readable
        "/lamps": '<script type="application/ld+json">{"@type": "Product", "name": </script>',
        "/radios": markup.page("Radios", "<p>Call us for a price.</p>"),
        "/pans": raw("<h1>K\u00fcche</h1>".encode("latin-1")),  # and says it is UTF-8
    }
    fails = ("/lamps", "/radios", "/pans", "/gone")
    return LocalShop("Juniper", "juniper", "malformed pages, and one that is gone",
                     ("/blankets", *fails), pages, sells, fails, delay=0.14)  # fmt: skip

"""Repeats the statuses of a list found elsewhere, with 408 and 425 in it.

mistake: none
fails: test_what_stays_wrong_is_not_repeated
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

import aiohttp
from bs4 import BeautifulSoup

# --- Given: the types, and half of the parsing -----------------------------------------------


@dataclass(frozen=True)
class Selectors:
    """CSS selectors for a page without structured data; name and price are inside an item."""

    item: str
    name: str
    price: str


@dataclass(frozen=True)
class Shop:
    """A shop and the pages to begin with; each may lead to further ones by a "next" link."""

    name: str
    urls: tuple[str, ...]
    selectors: Selectors | None = None


@dataclass(frozen=True)
class Price:
    """An exact amount and the ISO 4217 code of its currency, such as "EUR"."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Offer:
    """A product at a price, and the page it was found on."""

    product: str
    price: Price
    url: str


@dataclass(frozen=True)
class Failure:
    """A page that gave no offers, and the error of the last attempt."""

    url: str
    error: Exception


@dataclass(frozen=True)
class ShopResult:
    """What a shop gave. `seconds` is how long the shop took, its retries and waits included."""

    shop: Shop
    offers: list[Offer]
    failures: list[Failure]
    seconds: float


@dataclass(frozen=True)
class Report:
    """The results of all shops, in the order in which the shops were given."""

    results: list[ShopResult]

    @property
    def offers(self) -> list[Offer]:
        """Every offer of every shop."""
        return [offer for result in self.results for offer in result.offers]

    @property
    def failures(self) -> list[Failure]:
        """Every failure of every shop."""
        return [failure for result in self.results for failure in result.failures]


class PageError(ValueError):
    """The page arrived, and no offer can be read from it."""


CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP"}

Products = list[tuple[str, Price]]


@dataclass(frozen=True)
class Page:
    """What was read from one page; `next_url` is absolute, None on the last page."""

    offers: list[Offer]
    next_url: str | None


def read_page(html: str, url: str, selectors: Selectors | None = None) -> Page:
    """Read the offers and the link to the next page; PageError if no offer can be read."""
    soup = BeautifulSoup(html, "html.parser")
    try:
        products = json_ld_products(soup) or open_graph_products(soup) or microdata_products(soup)
        if not products and selectors is not None:
            products = selected_products(soup, selectors)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise PageError(f"unreadable: {type(error).__name__}: {error}") from error
    if not products:
        raise PageError("no product with a price on this page")
    link = soup.select_one("a[rel=next], link[rel=next]")
    return Page(
        [Offer(name, price, url) for name, price in products],
        urljoin(url, str(link["href"])) if link else None,
    )


def microdata_products(soup: BeautifulSoup) -> Products:
    """Products marked up with schema.org microdata."""
    products = []
    for item in soup.select('[itemtype$="schema.org/Product"]'):
        name = item.select_one('[itemprop="name"]')
        price = item.select_one('[itemprop="price"]')
        currency = item.select_one('[itemprop="priceCurrency"]')
        if name and price:
            code = str(currency.get("content") or currency.get_text()) if currency else None
            text = str(price.get("content") or price.get_text())
            products.append((name.get_text(strip=True), parse_price(text, code)))
    return products


def selected_products(soup: BeautifulSoup, selectors: Selectors) -> Products:
    """Products found by CSS selectors, the last resort."""
    products = []
    for item in soup.select(selectors.item):
        name, price = item.select_one(selectors.name), item.select_one(selectors.price)
        if name and price:
            products.append((name.get_text(strip=True), parse_price(price.get_text())))
    return products


# --- To write: prices, and the other half of the parsing -------------------------------------


def parse_price(text: str, currency: str | None = None) -> Price:
    """Read a price as people write it; `currency` is used if the text names none."""
    number = re.search(r"\d(?:[\d.,'\u2019\s]*\d)?", text)
    code = re.search(r"\b[A-Z]{3}\b", text)
    symbol = next((CURRENCIES[char] for char in text if char in CURRENCIES), None)
    found = code[0] if code else symbol or currency
    if not number or not found:
        raise ValueError(f"no price in {text!r}")
    # One or two digits after the last dot or comma are cents; every other mark groups thousands.
    cents = re.search(r"[.,](\d{1,2})$", number[0])
    whole = number[0][: cents.start()] if cents else number[0]
    digits = re.sub(r"\D", "", whole)
    return Price(Decimal(f"{digits}.{cents[1]}" if cents else digits), found)


def json_ld_products(soup: BeautifulSoup) -> Products:
    """Products in the page's JSON-LD scripts."""
    products = []
    for script in soup.select('script[type="application/ld+json"]'):
        data = json.loads(script.get_text())
        things = data if isinstance(data, list) else data.get("@graph", [data])
        for thing in things:
            if thing["@type"] == "Product":
                offers = thing["offers"]
                offer = offers[0] if isinstance(offers, list) else offers
                price = parse_price(str(offer["price"]), offer["priceCurrency"])
                products.append((thing["name"], price))
    return products


def open_graph_products(soup: BeautifulSoup) -> Products:
    """The one product an Open Graph page is about; none if it states no price."""
    metas = {str(m["property"]): str(m.get("content")) for m in soup.select("meta[property]")}
    if "product:price:amount" not in metas:
        return []
    price = parse_price(metas["product:price:amount"], metas["product:price:currency"])
    return [(metas["og:title"], price)]


# --- To write: the scraper -------------------------------------------------------------------


async def scrape(
    shops: Sequence[Shop],
    *,
    per_host: int = 2,
    timeout: float = 5.0,
    attempts: int = 3,
    pause: float = 0.5,
    watch: Callable[[str, str], None] | None = None,
) -> Report:
    """Scrape all shops at once; see the rules at the top."""
    # The slots are the limit. The connector's own, 100 for all hosts, would keep pages waiting
    # while their timeout runs.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        fetcher = _Fetcher(session, per_host, timeout, attempts, pause, watch)
        return Report(await asyncio.gather(*(_scrape_shop(fetcher, shop) for shop in shops)))


async def _scrape_shop(fetcher: _Fetcher, shop: Shop) -> ShopResult:
    started = time.monotonic()
    seen: set[str] = set()
    chains = await asyncio.gather(*(_follow(fetcher, shop, url, seen) for url in shop.urls))
    fetcher.tell(shop, "done")
    outcomes = [outcome for chain in chains for outcome in chain]
    return ShopResult(
        shop,
        [offer for page in outcomes if isinstance(page, Page) for offer in page.offers],
        [failure for failure in outcomes if isinstance(failure, Failure)],
        time.monotonic() - started,
    )


async def _follow(
    fetcher: _Fetcher, shop: Shop, url: str | None, seen: set[str]
) -> list[Page | Failure]:
    """Read a page and those that come after it, each only once in a shop."""
    outcomes: list[Page | Failure] = []
    while url is not None and url not in seen:
        seen.add(url)
        try:
            page = read_page(await fetcher.fetch(shop, url), url, shop.selectors)
        except Exception as error:
            outcomes.append(Failure(url, error))
            break
        outcomes.append(page)
        url = page.next_url
    return outcomes


@dataclass
class _Fetcher:
    """Fetches pages politely: few at a time from a host, and again when that may help."""

    session: aiohttp.ClientSession
    per_host: int
    timeout: float
    attempts: int
    pause: float
    watch: Callable[[str, str], None] | None
    slots: dict[str, asyncio.Semaphore] = field(init=False)

    def __post_init__(self) -> None:
        self.slots = defaultdict(lambda: asyncio.Semaphore(self.per_host))

    def tell(self, shop: Shop, text: str) -> None:
        if self.watch is not None:
            self.watch(shop.name, text)

    async def fetch(self, shop: Shop, url: str) -> str:
        """Return the text of the page; raise the last attempt's error."""
        path = urlsplit(url).path
        for attempt in range(1, self.attempts + 1):
            self.tell(shop, f"{path}, attempt {attempt}" if attempt > 1 else path)
            try:
                return await self._attempt(url)
            except Exception as error:
                if attempt == self.attempts or not _is_worth_retrying(error):
                    raise
                wait = _retry_after(error) or self.pause * 2 ** (attempt - 1)
            # Outside the slot: while this page waits, the host may serve another one.
            self.tell(shop, f"{path}, again in {wait:g} s")
            await asyncio.sleep(wait)
        raise ValueError(f"attempts must be at least 1, not {self.attempts}")

    async def _attempt(self, url: str) -> str:
        # The clock starts once there is a place: waiting for one is not the host's fault.
        async with (
            self.slots[urlsplit(url).netloc],
            asyncio.timeout(self.timeout),
            self.session.get(url) as response,
        ):
            response.raise_for_status()
            return await response.text()


def _is_worth_retrying(error: Exception) -> bool:
    """Whether the same request may go better the next time."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in (408, 425, 429) or error.status >= 500
    # No whole answer came: refused, reset, cut off in the body, or too late.
    return isinstance(
        error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | TimeoutError
    )


def _retry_after(error: Exception) -> float | None:
    """The seconds the host asked us to wait, if it did."""
    headers = error.headers if isinstance(error, aiohttp.ClientResponseError) else None
    value = headers.get("Retry-After", "") if headers else ""
    return float(value) if value.isdecimal() else None

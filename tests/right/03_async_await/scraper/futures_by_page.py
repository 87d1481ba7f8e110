"""A flat crawl: a set of running page tasks, and asyncio.wait until the set is empty.

New pages join the set as they are found. The session is closed by hand, in a finally that also
takes care of the tasks, shielded, with a little clean-up that takes its time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

import aiohttp
from bs4 import BeautifulSoup


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


NUMBER = re.compile(r"\d+(?:[\s.,'\u2019]\d+)*")


def parse_price(text, currency=None):
    """Another way: cut the number at its last mark, and look at how long the rest is."""
    number = NUMBER.search(text)
    if number is None:
        raise ValueError(f"no number in {text!r}")
    codes = [CURRENCIES[c] for c in text if c in CURRENCIES] + re.findall(r"\b[A-Z]{3}\b", text)
    if not codes and not currency:
        raise ValueError(f"no currency in {text!r}")
    groups = re.split(r"[\s.,'\u2019]", number[0])
    mark = number[0][-len(groups[-1]) - 1] if len(groups) > 1 else ""
    if mark in (".", ",") and mark and len(groups[-1]) < 3:
        amount = "".join(groups[:-1]) + "." + groups[-1]
    else:
        amount = "".join(groups)
    return Price(Decimal(amount), codes[0] if codes else currency)


def things_in(data):
    if isinstance(data, list):
        for part in data:
            yield from things_in(part)
    elif "@graph" in data:
        yield from things_in(data["@graph"])
    else:
        yield data


def json_ld_products(soup):
    products = []
    for script in soup.find_all("script", {"type": "application/ld+json"}):
        for thing in things_in(json.loads(script.string)):
            if thing.get("@type") != "Product":
                continue
            offer = thing["offers"]
            while isinstance(offer, list):
                offer = offer[0]
            products.append(
                (thing["name"], parse_price(f"{offer['price']} {offer['priceCurrency']}"))
            )
    return products


def open_graph_products(soup):
    def meta(name):
        tag = soup.find("meta", property=name)
        return tag["content"] if tag else None

    amount = meta("product:price:amount")
    if amount is None:
        return []
    return [(meta("og:title"), parse_price(amount, meta("product:price:currency")))]


CLEAN_UP = 0.25


async def attempt_once(session, url, seconds):
    try:
        async with asyncio.timeout(seconds):
            response = await session.get(url)
            async with response:
                response.raise_for_status()
                return await response.text()
    finally:
        await asyncio.sleep(0)


async def load(session, gates, url, seconds, attempts, pause):
    gate = gates.setdefault(urlsplit(url).netloc, asyncio.BoundedSemaphore(gates["places"]))
    for n in itertools.count(1):
        try:
            async with gate:
                return await attempt_once(session, url, seconds)
        except aiohttp.ClientResponseError as error:
            if n == attempts or not (error.status == 429 or error.status >= 500):
                raise
            wait = float(error.headers.get("Retry-After", pause * n))
        except (TimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            if n == attempts:
                raise
            wait = pause * n
        await asyncio.sleep(wait)


async def scrape(shops, *, per_host=2, timeout=5.0, attempts=3, pause=0.5, watch=None):
    session = aiohttp.ClientSession()
    began = time.monotonic()
    gates = {"places": per_host}
    seen = set()
    running = {}
    outcomes = {}
    ended = [0.0] * len(shops)

    def start(key, url):
        shop_number = key[0]
        if url is None or (shop_number, url) in seen:
            return
        seen.add((shop_number, url))
        job = load(session, gates, url, timeout, attempts, pause)
        running[asyncio.create_task(job)] = key, url

    try:
        for i, shop in enumerate(shops):
            for j, url in enumerate(shop.urls):
                start((i, j, 0), url)
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                (i, j, k), url = running.pop(task)
                ended[i] = time.monotonic() - began
                try:
                    page = read_page(task.result(), url, shops[i].selectors)
                except Exception as error:
                    outcomes[i, j, k] = Failure(url, error)
                else:
                    outcomes[i, j, k] = page
                    start((i, j, k + 1), page.next_url)
    finally:

        async def tidy_up():
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await session.close()
            await asyncio.sleep(CLEAN_UP)

        await asyncio.shield(asyncio.ensure_future(tidy_up()))
    results = []
    for i, shop in enumerate(shops):
        pages = [outcomes[key] for key in sorted(outcomes) if key[0] == i]
        offers = [offer for page in pages if isinstance(page, Page) for offer in page.offers]
        failures = [page for page in pages if isinstance(page, Failure)]
        results.append(ShopResult(shop, offers, failures, ended[i]))
    return Report(results)

"""A TaskGroup for all pages, aiohttp's own timeout, and a place held while a page waits to retry.

Every page, also a next one, is a task of the one group; where its outcome belongs is decided before
it starts. Different from the reference in nearly every choice, and as correct.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
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


class Host:
    """A host and its places."""

    def __init__(self, places):
        self.places = asyncio.Semaphore(places)


class HttpError(Exception):
    def __init__(self, status, retry_after):
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


AGAIN = (HttpError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)


class Scraper:
    def __init__(self, session, per_host, attempts, pause, watch):
        self.session = session
        self.attempts = attempts
        self.pause = pause
        self.watch = watch or (lambda shop, text: None)
        self.hosts = defaultdict(partial(Host, per_host))

    async def text(self, url):
        async with self.session.get(url) as response:
            if response.status == 429 or response.status // 100 == 5:
                raise HttpError(response.status, response.headers.get("Retry-After"))
            response.raise_for_status()
            return await response.text()

    async def text_after_retries(self, url):
        async with self.hosts[urlsplit(url).netloc].places:
            attempt = 1
            while True:
                try:
                    return await self.text(url)
                except AGAIN as error:
                    if attempt >= self.attempts:
                        raise
                    asked = getattr(error, "retry_after", None)
                await asyncio.sleep(float(asked) if asked else self.pause * 1.5)
                attempt += 1

    async def page(self, group, shop, url, seen, outcomes, ended):
        seen.add(url)
        try:
            page = read_page(await self.text_after_retries(url), url, shop.selectors)
        except Exception as error:
            outcomes.append(Failure(url, error))
        else:
            self.watch(shop.name, url)
            outcomes.append(page)
            if page.next_url and page.next_url not in seen:
                await self.page(group, shop, page.next_url, seen, outcomes, ended)
        finally:
            ended.append(asyncio.get_running_loop().time())


async def scrape(shops, *, per_host=2, timeout=5.0, attempts=3, pause=0.5, watch=None):
    started = asyncio.get_running_loop().time()
    limits = aiohttp.ClientTimeout(total=timeout)
    plan = []
    async with aiohttp.ClientSession(timeout=limits) as session:
        scraper = Scraper(session, per_host, attempts, pause, watch)
        async with asyncio.TaskGroup() as group:
            for shop in shops:
                chains, ended = [], [started]
                plan.append((shop, chains, ended))
                seen = set(shop.urls)
                for url in dict.fromkeys(shop.urls):
                    chains.append([])
                    group.create_task(scraper.page(group, shop, url, seen, chains[-1], ended))
    results = []
    for shop, chains, ended in plan:
        pages = [page for chain in chains for page in chain]
        results.append(
            ShopResult(
                shop,
                [offer for page in pages if isinstance(page, Page) for offer in page.offers],
                [page for page in pages if isinstance(page, Failure)],
                max(ended) - started,
            )
        )
    return Report(results)

"""A pool of workers on one queue; leaves a whole host in peace that says not now; jitter"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from dataclasses import dataclass
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


log = logging.getLogger("scraper")


@dataclass
class Host:
    gate: asyncio.Semaphore
    not_before: float = 0.0

    async def peace(self):
        wait = self.not_before - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
            await self.peace()


@dataclass
class Job:
    shop: int
    key: tuple
    url: str
    attempt: int = 1


async def scrape(shops, *, per_host=2, timeout=5.0, attempts=3, pause=0.5, watch=None):
    loop = asyncio.get_running_loop()
    hosts = {}
    queue = asyncio.Queue()
    seen = [set() for _ in shops]
    found = [{} for _ in shops]
    began = loop.time()
    last = [began] * len(shops)

    def put(shop, key, url):
        if url not in seen[shop]:
            seen[shop].add(url)
            queue.put_nowait(Job(shop, key, url))

    async def fetch(job):
        host = hosts.setdefault(urlsplit(job.url).netloc, Host(asyncio.Semaphore(per_host)))
        while True:
            async with host.gate:
                await host.peace()
                if watch is not None:
                    watch(shops[job.shop].name, f"{job.url} ({job.attempt})")
                error = retry = None
                try:
                    async with asyncio.timeout(timeout), session.get(job.url) as answer:
                        if answer.status < 400:
                            return await answer.text()
                        error = ValueError(f"status {answer.status}")
                        if answer.status == 429 or answer.status >= 500:
                            retry = float(answer.headers.get("Retry-After", pause))
                except (
                    aiohttp.ClientConnectionError,
                    aiohttp.ClientPayloadError,
                    TimeoutError,
                ) as e:
                    error, retry = e, pause
                if retry is None or job.attempt == attempts:
                    raise error
                host.not_before = max(
                    host.not_before, loop.time() + retry * (1 + random.random() / 4)
                )
            log.info("%s again: %r", job.url, error)
            job.attempt += 1

    async def worker():
        while True:
            job = await queue.get()
            try:
                html = await fetch(job)
                found[job.shop][job.key] = page = read_page(
                    html, job.url, shops[job.shop].selectors
                )
                if page.next_url is not None:
                    put(job.shop, (job.key[0], job.key[1] + 1), page.next_url)
            except Exception as error:
                found[job.shop][job.key] = Failure(job.url, error)
            finally:
                last[job.shop] = loop.time()
                queue.task_done()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1000)) as session:
        for i, shop in enumerate(shops):
            for j, url in enumerate(shop.urls):
                put(i, (j, 0), url)
        workers = [loop.create_task(worker()) for _ in range(100)]
        try:
            await queue.join()
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    results = []
    for i, shop in enumerate(shops):
        rows = [found[i][key] for key in sorted(found[i])]
        results.append(
            ShopResult(
                shop,
                [o for row in rows if isinstance(row, Page) for o in row.offers],
                [row for row in rows if isinstance(row, Failure)],
                last[i] - began,
            )
        )
    return Report(results)

"""Practice project 1: scrape the product prices of many shops at once.

A price comparison asks ten shops and more, several times a day. Some are slow, some are down,
some say "too many requests", some write HTML that nobody can read. One bad page must never cost
the prices of the others, and no shop may be hurried.

The types below are given, and so is half of the parsing. Write the four functions that raise
NotImplementedError; add helpers and classes as you like. The pure ones first: they are quick.

`parse_price(text, currency=None)`
  * "1.299,00 €", "$1,299.00", "£34.90", "CHF 1'299.-" (or the curly apostrophe), "1 299,00 EUR"
    (any kind of space), "1299".
  * The last dot or comma of the number begins the cents if one or two digits follow it there. All
    other marks only group digits: "1.299" and "1,299" are one thousand and something.
  * The currency is a three-letter code in the text, or a symbol from CURRENCIES, else `currency`.
  * ValueError if there is no number, or no currency.

`json_ld_products(soup)`: what is in `<script type="application/ld+json">`
  * A script holds one object, a list of them, or an object whose "@graph" is a list of them.
  * Objects with "@type": "Product" count. "name" is the name; "offers" is an offer or a list of
    them, of which the first counts; an offer has "price" (text or a number) and "priceCurrency".
  * No products: an empty list. `read_page` turns your errors on broken data into a PageError.

`open_graph_products(soup)`: the `<meta property="…" content="…">` tags
  * og:title, product:price:amount, product:price:currency. No amount: an empty list.

`scrape(shops, ...)`
   1. All shops are scraped at once, and so are all `urls` of a shop. Only a next page has to wait
      for the page that links to it.
   2. At most `per_host` requests are in flight to a host, whichever shop they are for. A request
      is in flight until its whole page has arrived. A host is the host name and the port of a
      URL, its "netloc".
   3. One ClientSession serves the whole scrape, and is closed when `scrape` ends, however it ends.
   4. An attempt may take `timeout` seconds from the request to the last byte of the page.
   5. An attempt is repeated if another may go better: no whole answer came (the connection failed
      or broke, or it took too long), or the status is 429 or 500 and above. A page is asked for
      `attempts` times at most. Nothing else is repeated: no other status, no page that is odd.
   6. Before it is repeated, a page waits at least as many seconds as the answer's Retry-After
      header says, whatever the status; without one, at least `pause` seconds. After the last
      attempt there is nothing to wait for.
   7. Whatever goes wrong with a page becomes a Failure, with the error of the last attempt, and
      costs nothing else: the pages before it and all others still count.
   8. A shop's page is read once, even if "next" leads back to it or two pages lead to it.
   9. The results are in the order of `shops`. Within a shop, offers and failures are in the order
      of its `urls`, each with the pages that follow it, and as they stand on the page.
  10. If `scrape` is cancelled, it stops at once: every request and every wait ends with it, and
      the cancellation goes on to the caller.
  11. The event loop is never blocked.

`watch`, if given, may be called as `watch(shop.name, "what is happening")` whenever you like.
`course run scraper --mine` starts ten real shops on your machine and shows what you tell it.

Out of scope: robots.txt, JavaScript, redirects, dates in Retry-After, conversion of currencies,
jitter, two prices or two currencies in one text, whose offers come first when two of a shop's
`urls` lead to the same page, and whether a host that said "not now" is asked for other pages
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin

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
    raise NotImplementedError


def json_ld_products(soup: BeautifulSoup) -> Products:
    """Products in the page's JSON-LD scripts."""
    raise NotImplementedError


def open_graph_products(soup: BeautifulSoup) -> Products:
    """The one product an Open Graph page is about; none if it states no price."""
    raise NotImplementedError


# --- To write: the scraper -------------------------------------------------------------------


async def scrape(
    shops: Sequence[Shop],
    *,
    per_host: int = 2,
    timeout: float = 5.0,  # noqa: ASYNC109  (seconds for each attempt, not for the whole scrape)
    attempts: int = 3,
    pause: float = 0.5,
    watch: Callable[[str, str], None] | None = None,
) -> Report:
    """Scrape all shops at once; see the rules at the top."""
    raise NotImplementedError

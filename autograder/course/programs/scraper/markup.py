"""The four ways shops say what a product costs, as small HTML pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from autograder.course.programs.scraper.catalogue import Item, Writer, german


def page(title: str, body: str, *, head: str = "", next_url: str | None = None) -> str:
    """A whole document; `next_url` becomes the link to the next page."""
    link = f'<a rel="next" href="{escape(next_url)}">Next page</a>' if next_url else ""
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{escape(title)}</title>{head}'
        f"</head><body><h1>{escape(title)}</h1>{body}<nav>{link}</nav></body></html>"
    )


def json_ld(item: Item, *, offers_as_list: bool = False) -> str:
    """A product page with a schema.org Product in a JSON-LD script."""
    return page(item.name, "<p>In stock.</p>", head=_script(_product(item, offers_as_list)))


def json_ld_graph(title: str, items: Sequence[Item]) -> str:
    """A listing whose products sit in one `@graph`, beside things that are no products."""
    graph = [{"@type": "BreadcrumbList", "name": title}, *(_product(item, True) for item in items)]
    return page(title, "", head=_script({"@context": "https://schema.org", "@graph": graph}))


def open_graph(item: Item) -> str:
    """A product page that only has the meta tags made for social networks."""
    metas = {
        "og:type": "product",
        "og:title": item.name,
        "product:price:amount": str(item.amount),
        "product:price:currency": item.currency,
    }
    head = "".join(f'<meta property="{k}" content="{escape(v)}">' for k, v in metas.items())
    return page(item.name, "<p>Add to basket</p>", head=head)


def microdata(
    title: str, items: Sequence[Item], *, write: Writer = german, next_url: str | None = None
) -> str:
    """A listing with schema.org microdata in the visible markup."""
    product = "https://schema.org/Product"
    body = "".join(
        f'<article itemscope itemtype="{product}"><h2 itemprop="name">{escape(item.name)}</h2>'
        '<div itemprop="offers" itemscope itemtype="https://schema.org/Offer">'
        f'<meta itemprop="priceCurrency" content="{item.currency}">'
        f'<span itemprop="price">{escape(write(item.amount))}</span></div></article>'
        for item in items
    )
    return page(title, body, next_url=next_url)


def plain(title: str, items: Sequence[Item], *, write: Writer, next_url: str | None = None) -> str:
    """A listing with nothing but words and class names."""
    body = "".join(
        f'<li class="card"><b class="title">{escape(item.name)}</b> '
        f'<span class="cost">{escape(write(item.amount))}</span></li>'
        for item in items
    )
    return page(title, f"<ul>{body}</ul>", next_url=next_url)


def _product(item: Item, offers_as_list: bool) -> dict[str, object]:
    offer = {"@type": "Offer", "price": str(item.amount), "priceCurrency": item.currency}
    return {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": item.name,
        "offers": [offer] if offers_as_list else offer,
    }


def _script(data: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'

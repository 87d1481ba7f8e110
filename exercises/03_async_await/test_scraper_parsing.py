"""Grades what scraper.py reads from texts and pages."""

from decimal import Decimal

import pytest

from autograder.course.programs.scraper import markup
from autograder.course.programs.scraper.catalogue import Item

HOST = "shop.example"
KETTLE = Item("Kettle", Decimal("34.90"), "EUR")
GOOD = markup.microdata("Kettles", [KETTLE])
CONCERT = '{"@type": "Event", "name": "Concert", "offers": {"price": "15", "priceCurrency": "EUR"}}'


@pytest.mark.points(2)
@pytest.mark.hint("Find the number first. Then: do one or two digits follow its last dot or comma?")
def test_parse_price_reads_what_people_write(submission):
    """Prices are read with either decimal mark, any grouping, a symbol or a code."""
    written = {
        "1.299,00 €": ("1299.00", "EUR"),
        "$1,299.00": ("1299.00", "USD"),
        "£34.90": ("34.90", "GBP"),
        "CHF 1'299.-": ("1299", "CHF"),
        "CHF 89.-": ("89", "CHF"),
        "CHF 1\u2019299.50": ("1299.50", "CHF"),
        "1\u202f299,00\u00a0€": ("1299.00", "EUR"),
        "1 299,5 EUR": ("1299.5", "EUR"),
        "only $7!": ("7", "USD"),
        "1.299 €": ("1299", "EUR"),
        "$1,299": ("1299", "USD"),
        "€1.234.567,89": ("1234567.89", "EUR"),
        "JPY 1,299": ("1299", "JPY"),
    }
    for text, (amount, currency) in written.items():
        price = submission.parse_price(text)
        expected = submission.Price(Decimal(amount), currency)
        assert price == expected, f"{text!r} was read as {price!r}, expected {expected!r}"
    bare = submission.parse_price("1299.95", "SEK")
    assert bare == submission.Price(Decimal("1299.95"), "SEK"), f"'1299.95', 'SEK' gave {bare!r}"
    for text in ("12 USD", "$12"):
        own = submission.parse_price(text, "SEK")
        assert own.currency == "USD", f"{text!r} is in USD, and the result is in {own.currency}"


@pytest.mark.points(1)
def test_parse_price_refuses_what_is_no_price(submission):
    """A text without a number, or without a currency where none is given, is a ValueError."""
    for text, currency in (("call us", "EUR"), ("", "EUR"), ("34.90", None), ("€", None)):
        try:
            price = submission.parse_price(text, currency)
        except ValueError:
            continue
        raise AssertionError(f"parse_price({text!r}, {currency!r}) gave {price!r}")


@pytest.mark.points(2)
def test_json_ld_products_are_read(submission):
    """Products are found in an object, a list, or an @graph, with one offer or a list of them."""
    chair = Item("Walnut chair", Decimal("1299.00"), "USD")
    listed = '<script type="application/ld+json">[%s, {"@type": "WebSite"}]</script>'
    number = (
        '{"@type": "Product", "name": "Pan", '
        '"offers": [{"price": 21.5, "priceCurrency": "EUR"}, {"price": 1, "priceCurrency": "EUR"}]}'
    )
    wanted = {
        markup.json_ld(chair): [("Walnut chair", "1299.00", "USD")],
        markup.json_ld(chair, offers_as_list=True): [("Walnut chair", "1299.00", "USD")],
        markup.json_ld_graph("Sale", [chair, KETTLE]): [
            ("Walnut chair", "1299.00", "USD"),
            ("Kettle", "34.90", "EUR"),
        ],
        listed % number: [("Pan", "21.5", "EUR")],
        listed % CONCERT: [],
        markup.json_ld(KETTLE) + markup.json_ld(chair): [
            ("Kettle", "34.90", "EUR"),
            ("Walnut chair", "1299.00", "USD"),
        ],
    }
    for html, expected in wanted.items():
        # What is no product in JSON-LD leaves the page to the other readers.
        assert_reads(submission, html + GOOD, expected or [("Kettle", "34.90", "EUR")])


@pytest.mark.points(1)
def test_open_graph_products_are_read(submission):
    """A page with Open Graph's price tags gives its one product."""
    title = "<title>Kettle, the best one | Shop</title>"
    assert_reads(submission, title + markup.open_graph(KETTLE), [("Kettle", "34.90", "EUR")])
    no_price = '<meta property="og:title" content="About us"><meta name="author" content="x">'
    assert_reads(submission, no_price + GOOD, [("Kettle", "34.90", "EUR")])


def assert_reads(submission, html, expected):
    page = submission.read_page(html, f"http://{HOST}/")
    found = [(o.product, o.price.amount, o.price.currency) for o in page.offers]
    wanted = [(name, Decimal(amount), currency) for name, amount, currency in expected]
    assert found == wanted, f"found {found}, expected {wanted}, in:\n{html}"

"""Which shops to scrape: as a list of plain data, and as the TOML file that a person writes."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from autograder.course.refusal import Refusal

OPTIONS: dict[str, type] = {"per_host": int, "attempts": int, "timeout": float, "pause": float}


@dataclass(frozen=True)
class WantedShop:
    """A shop to scrape. `selectors` are those of an item, its name and its price."""

    name: str
    urls: tuple[str, ...]
    selectors: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class ShopList:
    """Shops, and the options for `scrape` that are not its defaults."""

    shops: list[WantedShop]
    options: dict[str, Any] = field(default_factory=dict)


def read(path: Path) -> ShopList:
    """Read a file of shops.

    Raises:
        Refusal: it cannot be read, or something in it is not as it should be.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise Refusal(f"{path} is no TOML: {error}.") from None
    strays = sorted(set(data) - {"shop", "options"})
    if strays:
        raise Refusal(
            f"{path}: there is no [{strays[0]}]; what it can hold is [[shop]], [options]."
        )
    entries = data.get("shop", [])
    if not isinstance(entries, list) or not entries:
        raise Refusal(f"{path} names no shop: write [[shop]], a name and urls for each.")
    shops = [_shop(f"{path}, shop {n}", entry) for n, entry in enumerate(entries, 1)]
    names = [shop.name for shop in shops]
    for name in names:
        if names.count(name) > 1:
            raise Refusal(f"{path}: two shops are called {name!r}.")
    return ShopList(shops, _options(path, data.get("options", {})))


def _shop(where: str, entry: Any) -> WantedShop:
    if not isinstance(entry, dict):
        raise Refusal(f"{where} is no table: write [[shop]] with two brackets.")
    name, urls, selectors = (entry.get(key) for key in ("name", "urls", "selectors"))
    if not isinstance(name, str) or not name:
        raise Refusal(f"{where} has no name.")
    if not isinstance(urls, list) or not urls:
        raise Refusal(f"{where} ({name}) has no urls: a list of the pages to begin with.")
    for url in urls:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
            raise Refusal(f"{where} ({name}): {url!r} is no http:// or https:// URL.")
    return WantedShop(name, tuple(urls), _selectors(f"{where} ({name})", selectors))


def _selectors(where: str, selectors: Any) -> tuple[str, str, str] | None:
    if selectors is None:
        return None
    keys = ("item", "name", "price")
    if not isinstance(selectors, dict) or set(selectors) != set(keys):
        raise Refusal(f"{where}: selectors are three, item, name and price.")
    if not all(isinstance(selectors[key], str) for key in keys):
        raise Refusal(f"{where}: a selector is a text, such as '.card'.")
    return selectors["item"], selectors["name"], selectors["price"]


def _options(path: Path, options: Any) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise Refusal(f"{path}: [options] is a table.")
    for key, value in options.items():
        if key not in OPTIONS:
            raise Refusal(f"{path}: there is no option {key!r}; there are {', '.join(OPTIONS)}.")
        whole = OPTIONS[key] is int
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise Refusal(f"{path}: {key} is a {'whole ' if whole else ''}number, not {value!r}.")
        if value <= 0:
            raise Refusal(f"{path}: {key} is more than 0, not {value}.")
    return options

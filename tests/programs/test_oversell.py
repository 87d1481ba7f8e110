"""What the exercise oversell_hunt hands out belongs together."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autograder.course.git import GitFailed
from autograder.course.pristine import pristine
from autograder.course.programs.oversell import friday, sale, variants
from autograder.simulation import World, explore

EXERCISE = Path("exercises/05_shared_state/oversell_hunt")


def test_the_shop_of_that_night_is_the_one_that_is_handed_out(root: Path) -> None:
    """The grader's copy of the broken shop is the course's own `shop.py`."""
    try:
        given = pristine(root, root / EXERCISE / "shop.py")
    except GitFailed:
        given = None
    if given is None:
        pytest.skip("git does not know how shop.py was handed out")
    assert Path(friday.__file__).read_bytes() == given


def test_the_log_is_what_that_shop_logs(root: Path) -> None:
    """Whoever mends the shop can play the night again, and gets this log, on every Python."""
    written = (root / EXERCISE / "shop.jsonl").read_text("utf-8").splitlines()
    assert sale.log_of_that_night() == written


def test_the_log_shows_what_the_report_says(root: Path) -> None:
    """43 of 40 lamps, 71 customers, 6 refused; and the race is there for whoever looks."""
    log = (root / EXERCISE / "shop.jsonl").read_text("utf-8")
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]

    def those(event: str) -> list[dict[str, Any]]:
        return [line for line in lines if line["event"] == event]

    wishes = {line["request"]: line["items"] for line in those("order.received")}
    sold = sum(wishes[line["request"]].get("aurora", 0) for line in those("order.confirmed"))
    assert (len(wishes), sold, len(those("order.refused"))) == (71, 43, 6)
    assert len(those("payment.refused")) == 3
    checked = [line for line in those("stock.checked") if "aurora" in line["available"]]
    last = [line["request"] for line in checked if line["available"]["aurora"] == 1]
    assert last == ["r0059", "r0060", "r0061", "r0062"]
    assert min(str(line["ts"]) for line in those("order.refused")) == "2026-03-06T20:02:12.104Z"


@pytest.mark.parametrize("kind", variants.CORRECT, ids=lambda kind: kind.__name__)
def test_a_correct_shop_sells_what_it_has(kind: variants.Kind) -> None:
    assert explore(lambda world: rush(world, kind), seeds=100) is None


@pytest.mark.parametrize("kind", variants.OVERSELLING, ids=lambda kind: kind.__name__)
def test_an_overselling_shop_oversells(kind: variants.Kind) -> None:
    finding = explore(lambda world: rush(world, kind), seeds=20)
    assert finding is not None
    assert "shipped" in str(finding.error)


async def rush(world: World, kind: variants.Kind) -> None:
    """Customers with one lamp each, and two whose orders share the last radio only."""
    shipped: Counter[str] = Counter()
    shop = kind(
        stock={"lamp": 3, "kettle": 1, "mug": 1, "radio": 1},
        prices={"lamp": 8900, "kettle": 4900, "mug": 900, "radio": 12900},
        charge=world.service(lambda customer, cents: customer, name="charge", latency=(0.1, 3.0)),
        refund=world.service(lambda payment: None, name="refund"),
        ship=world.service(
            lambda n, customer, items: shipped.update(items), name="ship", latency=(0.1, 3.0)
        ),
    )
    orders = [{"lamp": 1}] * 5 + [{"kettle": 1, "radio": 1}, {"mug": 1, "radio": 1}]
    await asyncio.gather(
        *(shop.buy(f"customer {n}", items) for n, items in enumerate(orders)),
        return_exceptions=True,
    )
    got = shipped["lamp"], shipped["radio"]
    assert got == (3, 1), f"{got} lamps and radios shipped, (3, 1) were there"

"""What the rules of a Bulkhead come to: when each of some calls begins or is refused."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Visit:
    """A call that comes at a moment (seconds) and takes so long; what becomes of it."""

    who: str
    name: str
    comes: float
    takes: float
    begins: float | None = None
    refused: float | None = None

    @property
    def fate(self) -> str:
        """For messages."""
        if self.begins is not None:
            return f"under way from {self.begins:.2f} s"
        return f"refused at {self.refused:.2f} s"


def by_the_rules(visits: list[Visit], limits: Mapping[str, Any], total: int) -> None:
    """Fill in `begins` or `refused` of each; no two things may happen in the same moment."""
    under_way: Counter[str] = Counter()
    line: list[Visit] = []
    events = [(visit.comes, number, "comes") for number, visit in enumerate(visits)]
    heapq.heapify(events)

    def fits(visit: Visit) -> bool:
        free = under_way[visit.name] < limits[visit.name].at_once
        return free and under_way.total() < total

    def begin(number: int, now: float) -> None:
        visits[number].begins = now
        under_way[visits[number].name] += 1
        heapq.heappush(events, (now + visits[number].takes, number, "ends"))

    while events:
        now, number, what = heapq.heappop(events)
        visit = visits[number]
        if what == "comes":
            limit = limits[visit.name]
            if fits(visit):
                begin(number, now)
            elif sum(other.name == visit.name for other in line) >= limit.waiting:
                visit.refused = now
            else:
                line.append(visit)
                heapq.heappush(events, (now + limit.patience, number, "gives up"))
        elif what == "gives up":
            if visit in line:
                line.remove(visit)
                visit.refused = now
        else:
            under_way[visit.name] -= 1
            following = next(filter(fits, line), None)
            if following is not None:
                line.remove(following)
                begin(visits.index(following), now)

"""Numbers as people say them: tests write `{count} times`, and a learner reads "once"."""

from __future__ import annotations

import re

_ONE = r"(?<![\d.,:])1 "
_TIMES = re.compile(rf"{_ONE}times\b")
_NOUNS = (
    "attempts|boards|bytes|callbacks|calls|cents|clients|connections|copies|customers|entries"
    "|events|handlers|hours|items|latencies|messages|minutes|orders|pages|queries|requests|retries"
    "|rows|scores|sessions|sockets|statements|steps|subscribers|tasks|tokens|waits|windows|workers"
)
_MANY = re.compile(rf"{_ONE}(?P<noun>{_NOUNS})\b(?P<verb> (?:are|were|have)\b)?")
_VERBS = {" are": " is", " were": " was", " have": " has"}


def one(text: str) -> str:
    """The text with "once" for "1 times", and "1 message was" for "1 messages were"."""
    return _MANY.sub(_singular, _TIMES.sub("once", text))


def _singular(found: re.Match[str]) -> str:
    noun = found["noun"]
    noun = f"{noun[:-3]}y" if noun.endswith("ies") else noun[:-1]
    return f"1 {noun}{_VERBS.get(found['verb'] or '', '')}"

"""What the command says when it cannot do what was asked."""

from collections.abc import Iterable


class Refusal(Exception):
    """One clear sentence for the person at the keyboard; the command ends with exit status 2."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean a, b?" for the names nearest to `word`, or "" when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""

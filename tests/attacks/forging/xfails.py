"""Says that every failure was expected.

says: XFailed|ended by
"""

import pytest


class Emitter:
    def __init__(self, call_soon):
        pytest.xfail("as expected")

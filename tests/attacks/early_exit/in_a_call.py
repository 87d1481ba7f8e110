"""Ends the process with status 0 from inside a test.

says: exit status 0
"""

import os


class Emitter:
    def __init__(self, call_soon):
        os._exit(0)

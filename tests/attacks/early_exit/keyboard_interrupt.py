"""Stops the run as if somebody had pressed Ctrl-C, so that the rest is not run.

says: ended by KeyboardInterrupt
"""


class Emitter:
    def __init__(self, call_soon):
        raise KeyboardInterrupt

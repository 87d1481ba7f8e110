"""Stops every clock, so that no limit on time is ever reached, and then never ends.

seconds: 6
says: seconds
"""

import time

wait = time.sleep
time.monotonic = time.time = time.perf_counter = time.process_time = lambda: 0.0


class Emitter:
    def __init__(self, call_soon):
        while True:
            try:
                wait(1)
            except BaseException:
                pass

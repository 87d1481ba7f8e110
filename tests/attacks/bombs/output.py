"""Writes without end.

seconds: 6
says: .
"""

import os

while True:
    os.write(1, b"spam " * 10_000)

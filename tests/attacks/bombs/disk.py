"""Fills the disk.

seconds: 10
says: .
"""

import pathlib

for number in range(10_000):
    with (pathlib.Path.home() / f"{number}.bin").open("wb") as file:
        file.write(b"x" * (8 * 1024 * 1024))

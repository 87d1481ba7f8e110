"""Takes all memory.

says: .
"""

HELD = []
while True:
    HELD.append(bytearray(64 * 1024 * 1024))

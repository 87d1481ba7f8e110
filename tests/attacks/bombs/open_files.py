"""Opens files until there can be no more.

says: .
"""

HELD = []
while True:
    HELD.append(open(__file__))

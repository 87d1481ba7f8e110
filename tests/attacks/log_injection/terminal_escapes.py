"""Writes escape sequences: clears the screen, sets a title, paints everything green.

says: .
clean: yes
"""

EVIL = "\x1b[2J\x1b[1;1H\x1b]0;passed\x07\x1b[32mall 15 hold\x9b31m\u202e\r"
print(EVIL)


class Emitter:
    def __init__(self, call_soon):
        raise ValueError(EVIL)

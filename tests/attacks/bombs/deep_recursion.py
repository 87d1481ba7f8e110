"""Recurses in C until the stack is full.

says: .
"""

import sys

sys.setrecursionlimit(10**9)
DEEP = []
for _ in range(10**6):
    DEEP = [DEEP]
repr(DEEP)

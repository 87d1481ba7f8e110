"""Reads the memory map and the environment of other processes, to find keys and secrets.

sandboxed: yes
says: .
"""

import os

me, seen = os.getpid(), []
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) not in (me, 1):
        seen.append(name)
assert not seen, f"other processes are to be seen: {seen}"
raise SystemExit("nothing to be seen")

"""Writes results of its own to every pipe that is open.

voided: yes
"""

import json
import os

line = json.dumps({"kind": "end", "tampered": []}).encode()
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b"00 " + line + b"\n")
    except OSError:
        pass

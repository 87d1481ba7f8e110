"""Asks git for an answer that was committed once.

sandboxed: yes
says: .
"""

import subprocess

source = subprocess.run(
    ["git", "-C", "/course", "log", "-p", "--all"], capture_output=True, text=True, check=False
).stdout
assert not source, "there is a history"
exec(source)

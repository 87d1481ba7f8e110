"""Leaves a process behind in a session of its own.

says: exit status 0
"""

import os
import subprocess
import sys

subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True
)
os._exit(0)

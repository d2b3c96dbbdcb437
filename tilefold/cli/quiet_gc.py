"""Garbage collection that holds up no event.

The rule: a full collection goes over every part that a writer keeps, a tenth of a second and more, so it is done while nothing
comes, and else no more often than every ten minutes. Only cycles of objects wait for it; everything else is freed at once.
"""

import gc
import threading
import time
from collections.abc import Callable

QUIET_S = 60.0
BUSY_S = 600.0
_YOUNG, _NEVER = 200_000, 1_000_000
"""How many objects come before Python looks among them, once: in vain, they are rows, and stay. That takes milliseconds."""


class QuietCollector:
    """Takes the full collections over from Python, for the whole process."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s, self._lock = now_s, threading.Lock()
        gc.collect()
        gc.freeze()  # modules and definitions stay to the end
        gc.set_threshold(_YOUNG, _NEVER, _NEVER)
        self._collected_s = now_s()

    def rest(self, idle: bool) -> None:
        """Collect if it is time for it."""
        if self._now_s() - self._collected_s < (QUIET_S if idle else BUSY_S):
            return
        with self._lock:
            self._collected_s = self._now_s()
            gc.collect()

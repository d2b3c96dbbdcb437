"""Rows that were read a moment ago, for requests that would rather have them at once than fresh.

The rule: a row is given out for at most `ttl_s` after it was folded, and only to a read of now. All rows live equally long, so
the one that was put in first is the first to go.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from tilefold.serving.read import ViewValues


class ReadCache:
    """Values of one view of one entity, by its online key (which names the view's version); for one thread.

    Parameters
    ----------
    rows_max
        How many it holds; the oldest makes room.
    now_s
        A clock that never goes back, in seconds.
    """

    def __init__(self, ttl_s: float, rows_max: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s, self._rows_max, self._now_s = ttl_s, rows_max, now_s
        self._rows: dict[bytes, tuple[float, ViewValues]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> ViewValues | None:
        """The row, where it is young enough."""
        found = self._rows.get(key)
        if found is None:
            return None
        put_s, row = found
        if self._now_s() - put_s < self._ttl_s:
            return row
        del self._rows[key]
        return None

    def put(self, key: bytes, row: ViewValues) -> None:
        """Keep a row that was folded now."""
        self._rows.pop(key, None)  # so that it stands behind all others
        while self._rows and len(self._rows) >= self._rows_max:
            del self._rows[next(iter(self._rows))]
        self._rows[key] = (self._now_s(), replace(row, cached=True))

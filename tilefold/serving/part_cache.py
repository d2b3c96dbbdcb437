"""Stream parts that a writer keeps in memory, decoded, so that a busy key is not read again for each event.

The rule: it holds what the store holds; whoever is not sure of that any more forgets it.
"""

from tilefold.engine.stream_part import StreamPart


class PartCache:
    """The parts that were written last, up to a number of bytes as they are stored."""

    def __init__(self, limit_bytes: int) -> None:
        self._parts: dict[bytes, tuple[StreamPart, int]] = {}  # with their bytes, keys included
        self._size_bytes, self._limit_bytes = 0, limit_bytes

    def get(self, key: bytes) -> StreamPart | None:
        """The part of a key; None where it is not kept."""
        known = self._parts.get(key)
        return None if known is None else known[0]

    def keep(self, key: bytes, part: StreamPart, size_bytes: int) -> None:
        """Put a part at the young end, and let the oldest ones go."""
        known = self._parts.pop(key, None)
        size_bytes += len(key)
        self._parts[key] = (part, size_bytes)
        self._size_bytes += size_bytes if known is None else size_bytes - known[1]
        while self._size_bytes > self._limit_bytes and len(self._parts) > 1:
            self.drop(next(iter(self._parts)))

    def drop(self, key: bytes) -> None:
        """Keep the part of a key no longer."""
        known = self._parts.pop(key, None)
        if known is not None:
            self._size_bytes -= known[1]

    def forget(self) -> None:
        """Keep nothing."""
        self._parts.clear()
        self._size_bytes = 0

"""The loop of a stream writer process, one per source: it keeps its share of the shards and folds events as they come.

The rule: while it owns a shard it waits nowhere but in the read itself, which returns with the first event. A store that does
not answer is waited out: told once, tried again with growing pauses, and through a seat that was opened anew, since a log or a
store may have been replaced meanwhile. Nothing here decides what is counted: that is the stores' compare-and-set, so a lease
that ran out, or a second writer started by mistake, costs work and nothing else.
"""

import time
from collections.abc import Callable, Collection
from typing import Protocol

from tilefold.errors import TilefoldError
from tilefold.serving.stream_writer import BATCH_EVENTS

LEASE_S = 3.0
"""How long the shards of a killed writer stay its own."""
RENEW_S = LEASE_S / 3
LOOK_S = 1.0
"""How often it asks where its views stand: one may have been seeded anew while no event came."""
WAIT_S = 0.25
"""The longest wait in one read: so long a signal to end may have to wait."""
IDLE_S = 0.1
"""The pause while no view takes the stream, or no shard is free."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 2.0


class Seat(Protocol):
    """What the loop needs of a source; see `WriterSeat`. Its methods raise `TilefoldError`s."""

    def claim(self, lease_s: float, behind_s: float, waiting: str) -> list[int]:
        """Keep or take shards, and report."""
        ...

    def release(self) -> None:
        """Let go of them."""
        ...

    def look(self) -> None:
        """Ask where the views stand."""
        ...

    def step(self, shards: Collection[int], wait_ms: int) -> int | None:
        """Fold what comes; how many entries that was, or None where no view takes the stream."""
        ...

    def close(self) -> None:
        """Close what it opened."""
        ...


class WriterLoop:
    """Folds one source's stream until it is told to end; one thread.

    Parameters
    ----------
    seat
        The open seat to begin with.
    reopen
        Opens another one.
    tell
        Takes a line for the person who looks at the log.
    pause
        Sleeps for some seconds, or less where the end is asked for.
    rest
        Called after each turn, with whether it had nothing to fold: for what would hold up events at any other time.
    now_s
        A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        seat: Seat,
        reopen: Callable[[], Seat],
        tell: Callable[[str], None],
        pause: Callable[[float], object],
        rest: Callable[[bool], object] = bool,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seat: Seat | None = seat
        self._reopen, self._tell, self._pause, self._rest, self._now_s = reopen, tell, pause, rest, now_s
        self._owned: list[int] = []
        self._claim_s = self._look_s = self._at_end_s = now_s()
        self._failures, self._troubled_s, self._waiting = 0, 0.0, ""

    def run(self, ended: Callable[[], bool]) -> None:
        """Go on until `ended` says so; then let the shards go."""
        try:
            while not ended():
                self.turn()
        finally:
            self._leave()

    def turn(self) -> None:
        """Claim and look where that is due, then fold what comes within a moment."""
        try:
            self._work()
        except TilefoldError as error:
            self._wait_out(error)

    def _work(self) -> None:
        if self._seat is None:
            self._seat = self._reopen()
        now_s = self._now_s()
        if now_s >= self._claim_s:
            self._claim(self._seat, now_s)
        if now_s >= self._look_s:
            self._seat.look()
            self._look_s = now_s + LOOK_S
        entries = self._seat.step(self._owned, self._wait_ms()) if self._owned else None
        self._well()
        self._rest(not entries)
        if entries is None:
            self._pause(IDLE_S)
        if entries is None or entries < BATCH_EVENTS:
            self._at_end_s = self._now_s()

    def _claim(self, seat: Seat, now_s: float) -> None:
        behind_s = now_s - self._at_end_s
        owned = seat.claim(LEASE_S, behind_s if behind_s > LOOK_S else 0.0, self._waiting)
        self._claim_s = now_s + RENEW_S
        if owned == self._owned:
            return
        if not set(owned) <= set(self._owned):
            seat.look()  # another one has written these meanwhile
        self._owned = owned
        self._tell(f"writes shards {', '.join(map(str, owned))}" if owned else "writes no shard: others own them all")

    def _wait_ms(self) -> int:
        """How long a read may wait: no claim may come late."""
        return max(1, int(1000 * min(WAIT_S, self._claim_s - self._now_s())))

    def _well(self) -> None:
        if self._failures:
            self._tell(f"goes on after {self._now_s() - self._troubled_s:.1f} s")
        self._failures, self._waiting = 0, ""

    def _wait_out(self, error: TilefoldError) -> None:
        """Say what is wrong, once; pause, and try through another seat if it was not the first time."""
        if not self._failures:
            self._troubled_s = self._now_s()
            self._tell(f"waits: {error}")
        self._waiting = str(error)
        self._failures += 1
        self._claim_s = self._look_s = self._now_s()
        if self._failures > 1 and self._seat is not None:
            self._seat.close()
            self._seat = None
        self._pause(min(PAUSE_FIRST_S * 2 ** min(self._failures - 1, 10), PAUSE_MAX_S))

    def _leave(self) -> None:
        if self._seat is None:
            return
        try:
            self._seat.release()
        except TilefoldError as error:
            self._tell(f"could not let its shards go, which end by themselves in {LEASE_S:g} s: {error}")
        finally:
            self._seat.close()

"""The replay: pushes departures as a stream, first those of the last two weeks, then one after the other as time goes.

The rule: what is pushed, and at which time it is stamped, is noted before it is pushed, and that it was pushed afterwards. So
a replay that is stopped anywhere goes on where it was, and whatever it sends twice is the same event with the same id.

    history    departures of the two weeks before the first start, at their own times, as fast as they go
    live       those after it, stamped with the present: at speed 60 an hour of flights comes in a minute. It never ends: the
               timeline wraps after four weeks, with new ids
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from tilefold.demo.departures import Timeline
from tilefold.demo.flights import replace_file
from tilefold.errors import FileError, InputError, StoreFullError, StoreUnavailableError, complaint

REPLAY_FILE = "source/replay.json"
HISTORY = timedelta(days=14)
SPEED_MIN, SPEED_MAX = 0.01, 100_000.0
AT_ONCE = 1_000
"""Departures that are pushed together at most."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.02, 1.0
AGAIN_S = 1.0
"""The pause before what a store did not take is pushed again."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a replay is.

    Attributes
    ----------
    sent, noted
        How many departures were pushed; and up to where they were noted to be pushed.
    live
        The first that is stamped with the present.
    from_number, at_us, speed
        The pace of what is noted: that departure is stamped with that time, those after it by the speed.
    """

    sent: int
    noted: int
    live: int
    from_number: int = 0
    at_us: int = 0
    speed: float = 1.0


class Replay:
    """Pushes the departures of a timeline.

    Parameters
    ----------
    folder
        The root; the position is kept there.
    push
        Takes a frame of events, and returns when they are durable.
    tell
        Takes a line for the person who looks at the log.
    pause
        Sleeps for some seconds, or less where the end is asked for.
    """

    def __init__(
        self,
        timeline: Timeline,
        folder: Path,
        push: Callable[[pl.DataFrame], object],
        now_us: Callable[[], int],
        tell: Callable[[str], None],
        pause: Callable[[float], object],
    ) -> None:
        self._timeline, self._file = timeline, folder / REPLAY_FILE
        self._push, self._now_us, self._tell, self._pause = push, now_us, tell, pause
        self._failing = False
        self._position = self._stored() or self._begun()

    @property
    def position(self) -> Position:
        """How far it is."""
        return self._position

    @property
    def history_left(self) -> int:
        """How many departures of before the first start are still to push."""
        return max(self._position.live - self._position.sent, 0)

    def catch_up(self, ended: Callable[[], bool]) -> None:
        """Push what was noted and maybe not pushed, then the history, unless the end is asked for."""
        while not ended() and self._position.sent < max(self._position.live, self._position.noted):
            if self._position.noted <= self._position.sent:
                self._note(min(self._position.sent + AT_ONCE, self._position.live))
            self._send()

    def play(self, speed: float, ended: Callable[[], bool]) -> None:
        """Push what becomes due, until the end is asked for.

        Raises
        ------
        InputError
            If the speed is out of its range.
        """
        check_speed(speed)
        self.catch_up(ended)
        self._set(replace(self._position, from_number=self._position.sent, at_us=self._now_us(), speed=speed))
        while not ended():
            due = self._due()
            if due > self._position.sent:
                self._note(due)
                self._send()
            self._pause(min(max(self._wait_s(), PAUSE_MIN_S), PAUSE_MAX_S))

    def _due(self) -> int:
        """The number behind the last departure that is due, not too many at once."""
        end, now_us = self._position.sent, self._now_us()
        while end < self._position.sent + AT_ONCE and self._stamp_us(end) <= now_us:
            end += 1
        return end

    def _wait_s(self) -> float:
        return (self._stamp_us(self._position.sent) - self._now_us()) / 1e6

    def _stamp_us(self, number: int) -> int:
        at = self._position
        if number < at.live:
            return self._timeline.time_us(number)
        ahead_us = self._timeline.quick_us(number) - self._timeline.quick_us(at.from_number)
        return at.at_us + int(ahead_us / at.speed)

    def _note(self, end: int) -> None:
        self._set(replace(self._position, noted=end))

    def _send(self) -> None:
        """Push what is noted; where a store does not take it say so once, and leave it for the next call."""
        frame = self._timeline.records(self._position.sent, self._position.noted, self._stamp_us)
        try:
            self._push(frame)
        except (StoreUnavailableError, StoreFullError) as error:
            if not self._failing:
                self._tell(f"waits: {error}")
            self._failing = True
            self._pause(AGAIN_S)
            return
        if self._failing:
            self._tell("goes on")
        self._failing = False
        self._set(replace(self._position, sent=self._position.noted))

    def _begun(self) -> Position:
        now_us = self._now_us()
        first = self._timeline.first_at(now_us - HISTORY // timedelta(microseconds=1))
        return Position(first, first, self._timeline.first_at(now_us + 1))

    def _stored(self) -> Position | None:
        try:
            return Position(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            mend = "Remove it: the replay starts again, and what it pushed before is not counted twice for three days."
            raise FileError(
                complaint("the replay", f"its position must be readable ({error})", str(self._file), mend)
            ) from error

    def _set(self, position: Position) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._file, lambda draft: draft.write_text(json.dumps(asdict(position)) + "\n"))
        self._position = position


def check_speed(speed: float) -> None:
    """Raise `InputError` unless a speed is in its range."""
    if not SPEED_MIN <= speed <= SPEED_MAX:
        mend = "60 brings an hour of flights in a minute."
        raise InputError(complaint("the replay", f"its speed must be {SPEED_MIN:g} to {SPEED_MAX:g}", speed, mend))

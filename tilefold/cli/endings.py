"""What ends a command: Ctrl-C, SIGTERM, a closed terminal.

The rule: whatever it is, a command closes what it opened and stops what it started. One that stays notes the first of them and
ends in order, and a second one changes nothing; any other is left where it is, by an exception.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave_in_order() -> None:
    """From here on SIGTERM and a closed terminal end this process as Ctrl-C does: through all `finally`s."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    for number in _heard():
        if number != signal.SIGINT:
            signal.signal(number, leave)


@contextlib.contextmanager
def told_to_end() -> Iterator[threading.Event]:
    """An event that is set by the signals that mean the end; a second one of them changes nothing."""
    end = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        del number, frame
        end.set()

    before = {number: signal.signal(number, note) for number in _heard()}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard() -> list[signal.Signals]:
    """All of them, but what `nohup` has told a process to ignore."""
    return [number for number in _ENDINGS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]

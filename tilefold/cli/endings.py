"""What ends a command that stays: Ctrl-C, SIGTERM, a closed terminal.

The rule: the first of them is noted and the command ends in order; a second one changes nothing.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def told_to_end() -> Iterator[threading.Event]:
    """An event that is set by the signals that mean the end; a second one of them changes nothing."""
    end = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        del number, frame
        end.set()

    heard = [number for number in _ENDINGS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

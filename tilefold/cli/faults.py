"""Errors as a person at a terminal is told them.

The rule: one message on standard error and a number, never a traceback, unless `--debug` is given. The number says whose
mistake it is: 2 the caller's, 1 ours or the environment's, 70 one that nobody foresaw. Ctrl-C ends with 130, as in shells.
"""

import re
import sys
from collections.abc import Callable

from tilefold.cli.session import Session
from tilefold.errors import CallerError, SystemFault

FAULT, CALLER, UNFORESEEN = 1, 2, 70


def guarded(session: Session, work: Callable[[], object]) -> int:
    """Do the work; its exit code."""
    try:
        work()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except Exception as error:
        if session.debug:
            raise
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    if isinstance(error, CallerError | SystemFault):
        say(f"Error ({kind_of(error)}): {error}")
        return CALLER if isinstance(error, CallerError) else FAULT
    say(f"Unexpected {type(error).__name__}: {str(error) or 'without a message'}. Run it again with --debug to see where.")
    return UNFORESEEN


def kind_of(error: Exception) -> str:
    """The kind of an error in words: `StoreUnavailableError` -> `store unavailable`.

    Examples
    --------
    >>> kind_of(ConnectionError())
    'connection'
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__.removesuffix("Error"))
    return words.lower()


def say(text: str) -> None:
    """Tell the person, beside the output."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the command line

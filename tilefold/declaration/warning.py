"""Warnings of declarations.

The rule: a warning points at the line of the person who wrote the declaration, however deep in this package it was found.
"""

import inspect
import warnings
from itertools import count

_PACKAGE = f"{__name__.partition('.')[0]}."


def warn_writer(text: str, category: type[Warning]) -> None:
    """Warn at the first line outside of this package that led here."""
    frame = inspect.currentframe()
    for level in count(1):
        if frame is None or not f"{frame.f_globals.get('__name__')}.".startswith(_PACKAGE):
            warnings.warn(text, category, stacklevel=level)
            return
        frame = frame.f_back

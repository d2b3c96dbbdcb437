"""Turns what deltalake, Polars and the file system raise into our own kinds of errors.

The rule: an error that leaves `tilefold.stores` names the table and says what to do. Whatever cannot be read because of the
place is a `FileError`; whatever was read and makes no sense is a `FormatError`. Callers who collect a lazy scan wrap it in
`reading`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from deltalake.exceptions import CommitFailedError, DeltaError

from tilefold.errors import FileError, FormatError, TilefoldError, complaint

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BROKEN = (DeltaError, pl.exceptions.ComputeError, pl.exceptions.SchemaError)


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Name the table `uri` in every error that reading it raises.

    Raises
    ------
    FormatError
        The log or a data file is broken or gone.
    FileError
        The place does not answer or may not be read.
    """
    try:
        yield
    except (TilefoldError, CommitFailedError):  # already said, or a conflict that `Table.commit` answers
        raise
    except (FileNotFoundError, *_BROKEN) as error:
        mend = "Restore the folder from a copy; a table of tiles or compactions may be deleted and built again instead."
        raise FormatError(complaint(f"table {uri}", "its log and files must be readable", _first_line(error), mend)) from error
    except OSError as error:
        mend = "Check that the place exists and the storage options and permissions let this process read it."
        raise FileError(complaint(f"table {uri}", "the place must be readable", _first_line(error), mend)) from error


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """Name the table `uri` in every error that writing below it raises.

    Raises
    ------
    FileError
        The place does not answer or may not be written.
    FormatError
        Delta refuses the write for another reason.
    """
    try:
        yield
    except (TilefoldError, CommitFailedError):
        raise
    except OSError as error:
        raise unwritable(uri, error) from error
    except _BROKEN as error:
        mend = "This is a defect of Tilefold or a broken table; run `tilefold doctor`."
        raise FormatError(complaint(f"table {uri}", "Delta must accept the write", _first_line(error), mend)) from error


def unwritable(uri: str, error: Exception) -> FileError:
    """Say that the place of `uri` cannot be written."""
    mend = "Check free space, permissions and storage options, or choose another root."
    return FileError(complaint(f"table {uri}", "the place must be writable", _first_line(error), mend))


def _first_line(error: Exception) -> str:
    """The message on one line, without deltalake's colours and its stack of addresses."""
    lines = _COLOUR.sub("", str(error)).splitlines()
    return " ".join(line.strip() for line in lines if "<unknown>" not in line)[:300]

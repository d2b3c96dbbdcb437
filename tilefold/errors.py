"""Every error that Tilefold raises on purpose.

The rule: an error names the thing, the rule, the value that broke it and what to do about it. There are two kinds, so that
a caller can tell its own mistakes (`CallerError`) from ours or the environment's (`SystemFault`).
"""


class TilefoldError(Exception):
    """Root of all errors raised on purpose."""


class CallerError(TilefoldError):
    """The caller's: a wrong declaration, wrong data or a wrong request. Repeating the call cannot help."""


class SystemFault(TilefoldError):  # noqa: N818 - a kind of error, never raised itself
    """Ours or the environment's: a store that is down, bytes that are broken. Repeating the call later may help."""


class DeclarationError(CallerError, ValueError):
    """A source, entity, feature view or service breaks a rule of declarations."""


class NotBuiltYetError(DeclarationError):
    """A declaration uses a name that is part of the public API but not built in this release."""


class AggregateLawError(CallerError, AssertionError):
    """An aggregate of one's own breaks a law that the engine relies on; the message holds a counterexample."""


class InputError(CallerError, ValueError):
    """Data or a request breaks a rule: wrong type, missing column, null key, naive timestamp, unknown column."""


class UnknownNameError(CallerError, LookupError):
    """A view, service, source or feature of that name is not declared."""


class NotOnlineError(CallerError):
    """A view that is declared `online=False` is read from the online store, or synced to it."""


class ReadTimeError(InputError):
    """A time is asked for that this data cannot answer: before the key's stamp, after now, off the grid."""


class FileError(CallerError, OSError):
    """A file or a folder that the caller named cannot be read or written."""


class StoreMismatchError(CallerError):
    """A workspace folder is opened with another online store than the one it is bound to."""


class ConflictError(SystemFault):
    """Another writer changed the same table slice in between, and repeating did not get through."""


class StoreUnavailableError(SystemFault, ConnectionError):
    """The online store does not answer."""


class StoreFullError(SystemFault):
    """The online store refuses writes because its memory is used up."""


class StorePolicyError(SystemFault):
    """The online store is set up in a way that would lose or alter features (eviction, too old a version)."""


class FormatError(SystemFault):
    """Stored bytes or a stored table cannot be understood."""


class CorruptBlobError(FormatError):
    """Stored bytes are broken: wrong length, wrong checksum, impossible numbers."""


class NewerFormatError(FormatError):
    """Stored bytes or tables were written by a newer release than this one."""


class IgnoredParameterWarning(UserWarning):
    """A declaration holds parameters of the SDK that people come from which mean nothing here."""


class OpenStartWarning(UserWarning):
    """A view says no `feature_start_time`, so that all events count."""


class AssumedTypeWarning(UserWarning):
    """A column's type stands nowhere in the declaration, and String was assumed."""


def complaint(thing: str, rule: str, value: object, mend: str) -> str:
    """One sentence for each of: the thing, the rule, the value, what to do.

    Examples
    --------
    >>> complaint("view 'spend'", "batch_schedule must be positive", 0, "Set it to timedelta(days=1).")
    "view 'spend': batch_schedule must be positive; got 0. Set it to timedelta(days=1)."
    """
    return f"{thing}: {rule}; got {value!r}. {mend}"

"""What handlers return."""

from typing import NamedTuple

JSON = b"application/json"


class Answer(NamedTuple):
    """An answer as it is sent.

    Attributes
    ----------
    headers
        Beside its type and length; names in lower case.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

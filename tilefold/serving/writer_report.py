"""What a writer process tells about itself with each claim of its shards.

The rule: it is of that process alone and a second or so old. How far the stream is written is not told, but worked out from the
stores (see `stream_standing`), so that it is right where no writer lives.
"""

import json
from dataclasses import asdict, dataclass

from tilefold.errors import FormatError, complaint


@dataclass(frozen=True, slots=True)
class WriterReport:
    """How a writer does.

    Attributes
    ----------
    host, process
        Where it runs, and its process number there.
    events
        How many entries of the log it has folded since it started.
    conflicts
        How often another writer came first to a key.
    behind_s
        Since when it has not been at the end of the log, in seconds; 0 where it is there.
    waiting
        The error that it waits out; empty where it does not.
    """

    host: str
    process: int
    events: int = 0
    conflicts: int = 0
    behind_s: float = 0.0
    waiting: str = ""

    def to_bytes(self) -> bytes:
        """As the store keeps it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "WriterReport":
        """What `to_bytes` made; what a later release adds is left out.

        Raises
        ------
        FormatError
            It is none.
        """
        try:
            known = {name: value for name, value in json.loads(data).items() if name in cls.__dataclass_fields__}
            return cls(**known)
        except (ValueError, TypeError, AttributeError) as error:
            mend = "Stop whatever else writes into the workspace's keys, then restart its writers."
            raise FormatError(complaint("a writer's report", "it must be what a writer writes", data[:80], mend)) from error

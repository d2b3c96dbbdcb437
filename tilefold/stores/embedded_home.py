"""The folder of an embedded server: its files, and what is said when one of them is not as it must be.

    opening.lock   held while somebody opens or closes, so that no two start, and nobody attaches to a server that goes away
    server.lock    inherited by the server: locked while it lives
    owner.lock     of the owning process: locked while it lives
    address.json   port and password, for the folder's user alone
    server.log, server.pid, appendonlydir/                                       the server's own

The rule: the locks decide, and nothing else (see `locks`). The folder must be on a local disk: a network disk does not pass
locks on to a child, and has no place below a database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tilefold.errors import FileError, StoreUnavailableError, TilefoldError, complaint
from tilefold.stores.address import Address
from tilefold.stores.locks import Opening, ProcessLock, SharedLock

_OPENING_TIMEOUT_S = 300.0
_LOG_TAIL_BYTES = 2000
_LOG_TAIL_LINES = 8
# What to do about the broken files of a server, by its name. The stream log's are the only copy of what was not drained yet.
_BROKEN = {"stream": "restore them from a copy, or mend them with valkey-check-aof; events not drained yet are in there alone"}


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one embedded server."""

    path: Path

    @property
    def address_file(self) -> Path:
        """Where the address is kept."""
        return self.path / "address.json"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.path / "server.log"

    def opening(self) -> Opening:
        """A context in which nobody else opens or closes this server."""
        return Opening(self.path / "opening.lock", _OPENING_TIMEOUT_S)

    def server_lock(self) -> SharedLock:
        """The lock that the server holds while it lives."""
        return SharedLock(self.path / "server.lock")

    def owner_lock(self) -> ProcessLock:
        """The lock that the owning process holds while it lives."""
        return ProcessLock(self.path / "owner.lock")

    def living_address(self) -> Address:
        """The address of a server that lives."""
        address = Address.read(self.address_file)
        if address is None:
            raise self.unusable("its address file is broken")
        return address

    def log_tail(self) -> str:
        """The last lines that the server logged."""
        log = self.log.read_bytes()[-_LOG_TAIL_BYTES:]
        return "\n".join(log.decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:])

    def not_started(self) -> StoreUnavailableError:
        """The error of a server that ended while it was started."""
        broken = _BROKEN.get(self.path.name, "move the folder away (the next sync fills a new one)")
        mend = f"Mend what its log says; if its files are broken, {broken}."
        return StoreUnavailableError(
            complaint(f"embedded store {self.path}", "its server must start, but it ended", self.log_tail(), mend)
        )

    def unusable(self, what: str) -> StoreUnavailableError:
        """The error of a server that lives and is of no use; a second one on the same data would destroy it."""
        rule = f"a living server holds the folder, but {what}"
        mend = "End that process with `kill` (it writes out first), then open again."
        return StoreUnavailableError(complaint(f"embedded store {self.path}", rule, f"process {self._process_number()}", mend))

    @contextmanager
    def writable(self) -> Iterator[None]:
        """A context in which the folder is made and written: it turns what the system says against it into a `FileError`."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield
        except TilefoldError:
            raise
        except OSError as error:
            rule = f"the embedded store must be able to write there ({error.strerror})"
            mend = "Give your user the right to write there, free some space, or name another folder as root."
            raise FileError(complaint(f"folder {self.path}", rule, str(error.filename or self.path), mend)) from error

    def _process_number(self) -> str:
        """What the server wrote into its pid file: for people alone, nothing is decided by it."""
        try:
            return (self.path / "server.pid").read_text().strip()
        except OSError:
            return "unknown"

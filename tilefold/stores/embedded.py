"""The embedded server: a Valkey on this machine that belongs to a folder.

The rule: one server per folder, one owner per server. The first opener starts it and owns it; a later one, in whatever process,
attaches and never stops it; one that finds no living owner (it was killed) adopts the server. Only the owner's `close` stops
the server, and returns after it has exited with its append-only file complete.

    opening.lock   held while somebody opens or closes, so that no two start, and nobody attaches to a server that goes away
    server.lock    inherited by the server: locked while it lives                (see `locks` for why no process number is kept)
    owner.lock     of the owning process: locked while it lives
    address.json   port and password, for the folder's user alone
    server.log, server.pid, appendonlydir/                                       the server's own

The folder must be on a local disk: a network disk does not pass locks on to a child, and has no place below a database.
"""

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from tilefold.errors import FileError, StoreUnavailableError, TilefoldError, complaint
from tilefold.stores.address import Address
from tilefold.stores.embedded_process import Answer, Child, control, log_tail, spawn, wait_until_ready
from tilefold.stores.locks import Opening, ProcessLock, SharedLock

_OPENING_TIMEOUT_S = 120.0
_EXIT_TIMEOUT_S = 60.0
_ATTEMPTS = 5
_PORT_TAKEN = "Address already in use"


class EmbeddedServer:
    """An open server of a folder; `open_embedded` makes it.

    Attributes
    ----------
    owned
        Whether `close` stops the server.
    """

    def __init__(self, home: Path, address: Address, owner: ProcessLock | None, child: Child | None) -> None:
        self._home = home
        self._address = address
        self._owner = owner
        self._child = child
        self._process_id = os.getpid()
        if self.owned:
            atexit.register(self.close)

    @property
    def url(self) -> str:
        """Where it listens, with its password, as redis-py takes it: not for logs."""
        return self._address.url

    @property
    def owned(self) -> bool:
        """Whether `close` stops the server. False in a forked child, which owns nothing of its parent's."""
        return self._owner is not None and self._process_id == os.getpid()

    def close(self) -> None:
        """Stop the server and wait until it has exited, if it is owned; else do nothing. Repeating it does nothing.

        Raises
        ------
        StoreUnavailableError
            The server does not stop. It stays owned, so that `close` may be repeated.
        """
        if self._owner is None or not self.owned:
            return
        with _opening(self._home):
            _stop(self._home)
            self._owner.let_go()
        self._owner = None
        if self._child is not None:
            self._child.wait()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_embedded(folder: Path, name: str = "online", config: Mapping[str, str] | None = None) -> EmbeddedServer:
    """Start, attach to or adopt the server whose data is in `folder / name`.

    Parameters
    ----------
    folder
        The root of a workspace; it is made where it does not exist.
    name
        Which of the folder's servers: its subfolder.
    config
        Further settings of Valkey for a server that is started here, as `{"appendfsync": "always"}`.

    Raises
    ------
    FileError
        The folder cannot be made or written.
    StoreUnavailableError
        The server does not start or does not answer.
    """
    home = (folder / name).resolve()
    with _file_errors(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opening(home):
            address, process = _attach_or_start(home, config or {})
            owner = ProcessLock(home / "owner.lock")
            return EmbeddedServer(home, address, owner if owner.take() else None, process)


def _opening(home: Path) -> Opening:
    return Opening(home / "opening.lock", _OPENING_TIMEOUT_S)


def _server_lock(home: Path) -> SharedLock:
    return SharedLock(home / "server.lock")


def _attach_or_start(home: Path, config: Mapping[str, str]) -> tuple[Address, Child | None]:
    lock = _server_lock(home)
    while not lock.take():
        if (address := _attach(home, lock)) is not None:
            return address, None
    try:
        return _start(home, config, lock)
    except BaseException:
        lock.let_go()
        raise


def _attach(home: Path, lock: SharedLock) -> Address | None:
    """The address of the living server, or None where it went away meanwhile."""
    address = Address.read(home / "address.json")
    if address is None:
        raise _silent(home, "its address file is broken")
    answer = wait_until_ready(address, lock.held_elsewhere)
    if answer is Answer.READY:
        return address
    if lock.held_elsewhere():
        raise _silent(home, f"it does not answer on port {address.port}")
    return None


def _start(home: Path, config: Mapping[str, str], lock: SharedLock) -> tuple[Address, Child]:
    """A server that answers and holds `lock`, preferably where the last one listened."""
    address = Address.read(home / "address.json") or Address.fresh()
    for _ in range(_ATTEMPTS):
        if not address.bindable():
            address = Address.fresh()
        address.write(home / "address.json")
        process = spawn(home, address, config, lock.file)
        if _comes_up(process, address):
            lock.leave_to_child()
            return address, process
        if _PORT_TAKEN not in log_tail(home):
            break
    raise StoreUnavailableError(
        complaint(
            f"embedded store {home}",
            "its server must start, but it ended",
            log_tail(home),
            "Mend what its log says; if its files are broken, move the folder away (the next sync fills a new one).",
        )
    )


def _comes_up(process: Child, address: Address) -> bool:
    """Whether the started server gets ready; if not, it has ended when this returns."""
    try:
        ready = wait_until_ready(address, lambda: process.poll() is None) is Answer.READY
    except BaseException:
        _end(process)
        raise
    if not ready or process.poll() is not None:
        _end(process)
        return False
    return True


def _end(process: Child) -> None:
    process.kill()
    process.wait()


def _stop(home: Path) -> None:
    """Let the server write out and exit; return when it has."""
    lock = _server_lock(home)
    if lock.take():  # it had ended by itself
        lock.let_go()
        return
    address = Address.read(home / "address.json")
    if address is None:
        raise _silent(home, "its address file is broken")
    with control(address) as client:
        try:
            client.shutdown(nosave=True)
        except RedisError as error:
            raise _silent(home, "it refuses to stop") from error
    if not lock.wait(_EXIT_TIMEOUT_S):
        raise _silent(home, f"it did not stop within {_EXIT_TIMEOUT_S:g} s")
    lock.let_go()


def _silent(home: Path, what: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        complaint(
            f"embedded store {home}",
            f"a living server holds the folder, but {what}",
            f"process {_process_number(home)}",
            "End that process with `kill` (it writes out first), then open again.",
        )
    )


def _process_number(home: Path) -> str:
    """What the server wrote into its pid file: for people alone, nothing is decided by it."""
    try:
        return (home / "server.pid").read_text().strip()
    except OSError:
        return "unknown"


@contextmanager
def _file_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except TilefoldError:
        raise
    except OSError as error:
        raise FileError(
            complaint(
                f"folder {home}",
                f"the embedded store must be able to write there ({error.strerror})",
                str(error.filename or home),
                "Give your user the right to write there, free some space, or name another folder as root.",
            )
        ) from error

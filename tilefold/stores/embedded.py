"""The embedded server: a Valkey on this machine that belongs to a folder.

The rule: one server per folder, one owner per server. The first opener starts it and owns it; a later one, in whatever process,
attaches and never stops it; one that finds no living owner (it was killed) adopts the server. Only the owner's `close` stops
the server, and returns after it has exited with its append-only file complete.
"""

import atexit
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tilefold.stores.address import Address
from tilefold.stores.embedded_home import Home
from tilefold.stores.embedded_lifetime import attach_or_start, stop
from tilefold.stores.embedded_process import Child
from tilefold.stores.locks import ProcessLock


class EmbeddedServer:
    """An open server of a folder; `open_embedded` makes it."""

    def __init__(self, home: Home, address: Address, owner: ProcessLock | None, child: Child | None) -> None:
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
        with self._home.opening():
            stop(self._home)
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
    home = Home((folder / name).resolve())
    with home.writable(), home.opening():
        address, child = attach_or_start(home, config or {})
        owner = home.owner_lock()
        return EmbeddedServer(home, address, owner if owner.take() else None, child)

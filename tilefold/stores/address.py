"""The address file: where the embedded server of a folder listens, and its password.

The rule: only the owner of the folder can read it (mode 0600), and it is replaced in one step, before the server is started,
so that an opener that comes after a crash at any point finds the address of whatever server is alive. A port and a password
are kept over restarts where the port is still free, so that clients of the former server find the new one by themselves.
"""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """A port on this machine's loopback, and the password it asks for."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """The address as redis-py takes it, with the password."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @classmethod
    def fresh(cls) -> Self:
        """A port that is free now, and a new password."""
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            return cls(probe.getsockname()[1], secrets.token_hex(24))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What `write` wrote; None where there is no such file or it cannot be understood."""
        try:
            found = json.loads(path.read_bytes())
            address = cls(found["port"], found["password"])
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            return None
        return address if address.valid() else None

    def write(self, path: Path) -> None:
        """Replace the file at `path` by this address."""
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)  # a leftover might have another mode
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def valid(self) -> bool:
        """Whether the file held a port and a password that can be put into a URL."""
        port_fits = type(self.port) is int and 0 < self.port < 1 << 16
        return port_fits and type(self.password) is str and self.password.isalnum() and self.password.isascii()

    def bindable(self) -> bool:
        """Whether a server could listen there now."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            try:
                probe.bind((HOST, self.port))
            except OSError:
                return False
        return True

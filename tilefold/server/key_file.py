"""The file of API keys: which there are, by the hash of each.

The rule: the file holds no key, only its SHA-256, which is enough: a key is 256 random bits, so nobody can go through the keys
that might have a hash, as one can with passwords, for which slow and salted hashes are made. Only the owner may read it (0600);
it is replaced in one step, under a lock, so that a reader finds the old file or the new one. A revoked key leaves its name
without a hash: that there was a key is what keeps a server closed.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from tilefold.errors import ConflictError, FileError, FormatError, InputError, NewerFormatError, complaint
from tilefold.server.roles import Role
from tilefold.stores.locks import SharedLock

FORMAT: Final = 1  # do not change: it is on disk
PREFIX: Final = "tilefold_"
_NAME_MAX = 64
_DIGEST_BYTES = 32
_LOCK_S = 10.0


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key; `sha256` (hex) is empty once it is `revoked`."""

    name: str
    role: Role
    created: datetime
    sha256: str = ""
    revoked: datetime | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    keys: list[StoredKey]


def digest_of(key: str) -> bytes:
    """What a key is told by; any text has one."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _check_digests(keys: Sequence[StoredKey]) -> None:
    """Raise ValueError for a key in use without a whole hash."""
    if any(len(bytes.fromhex(each.sha256)) != _DIGEST_BYTES for each in keys if each.revoked is None):
        message = "a key in use must have a SHA-256"
        raise ValueError(message)


class KeyFile:
    """The keys of a workspace.

    Parameters
    ----------
    root
        The workspace's folder; raises InputError for a place on an object store, where no file can be locked.
    """

    def __init__(self, root: str) -> None:
        if "://" in root:
            mend = "Give keys by the environment instead: TILEFOLD_API_KEYS=key:role,..."
            raise InputError(complaint("API keys", "they are kept in a folder of this machine", root, mend))
        self.path = Path(root).absolute() / "server" / "api_keys.json"

    def read(self) -> list[StoredKey]:
        """All keys that were ever created, also revoked ones; none where there is no file.

        Raises
        ------
        FileError, FormatError
            If the file cannot be read or understood: no key may count then.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FileError(
                complaint(f"file {self.path}", "it must be readable", error.strerror, "Look at its owner.")
            ) from error
        return self._parsed(data)

    def create(self, name: str, role: Role, now: datetime | None = None) -> str:
        """Enter a new key; returns it, the only time that anybody sees it.

        Raises
        ------
        InputError
            If the name is empty, long, no plain text, or that of a key in use.
        """
        self._check_name(name)
        key = PREFIX + secrets.token_urlsafe(32)
        made = StoredKey(name=name, role=role, created=now or datetime.now(UTC), sha256=digest_of(key).hex())

        def entered(keys: Sequence[StoredKey]) -> list[StoredKey]:
            if any(each.name == name and each.revoked is None for each in keys):
                mend = f"Choose another name, or revoke that one: tilefold keys revoke {name}"
                raise InputError(complaint("API key", "a name is that of one key", name, mend))
            return [*keys, made]

        self._change(entered)
        return key

    def revoke(self, name: str, now: datetime | None = None) -> None:
        """Let a key count no more; raises InputError where no key in use has that name."""

        def without(keys: Sequence[StoredKey]) -> list[StoredKey]:
            used = [each.name for each in keys if each.revoked is None]
            if name not in used:
                mend = f"In use are: {', '.join(used) or 'none'}."
                raise InputError(complaint("API key", "it must be in use to be revoked", name, mend))
            time = now or datetime.now(UTC)
            return [
                msgspec.structs.replace(each, sha256="", revoked=time) if each.name == name and not each.revoked else each
                for each in keys
            ]

        self._change(without)

    def _change(self, change: Callable[[Sequence[StoredKey]], list[StoredKey]]) -> None:
        """Replace the file; one at a time."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = SharedLock(folder / "api_keys.lock")
            if not lock.wait(_LOCK_S):
                mend = "End the process that holds api_keys.lock (`fuser` names it), then try again."
                raise ConflictError(complaint("API keys", "one process changes them at a time", str(self.path), mend))
            try:
                self._write(msgspec.json.format(msgspec.json.encode(_File(format=FORMAT, keys=change(self.read())))))
            finally:
                lock.let_go()
        except PermissionError as error:
            raise FileError(
                complaint(f"folder {folder}", "it must be writable", error.strerror, "Look at its owner.")
            ) from error

    def _write(self, data: bytes) -> None:
        draft = self.path.with_suffix(".new")
        draft.unlink(missing_ok=True)  # a leftover might have another mode
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    def _parsed(self, data: bytes) -> list[StoredKey]:
        mend = "Put a copy back, or remove the file and create the keys anew."
        try:
            found = msgspec.json.decode(data, type=_File)
            if found.format == FORMAT:
                _check_digests(found.keys)
        except ValueError as error:  # msgspec's errors are some
            raise FormatError(
                complaint(f"file {self.path}", f"it must be a file of keys ({error})", len(data), mend)
            ) from error
        if found.format != FORMAT:
            rule = f"this release reads format {FORMAT}"
            raise NewerFormatError(complaint(f"file {self.path}", rule, found.format, "Upgrade this release."))
        return found.keys

    @staticmethod
    def _check_name(name: str) -> None:
        if not name or len(name) > _NAME_MAX or not name.isprintable() or name != name.strip():
            rule = f"its name must be printable text of 1 to {_NAME_MAX} characters"
            raise InputError(complaint("API key", rule, name, "Name who uses it, such as fraud-model."))

"""Which API keys count, and what each may do.

The rule: once any key is known a key is required, also on loopback, and that stays so while the process lives. A presented key
is compared with all that are known, in constant time. The file is looked at again once a second, so a running server learns of
new and revoked keys; a file that cannot be understood lets nobody in.
"""

import hmac
import threading
import time
from collections.abc import Callable, Sequence

from tilefold.errors import InputError, complaint
from tilefold.server.key_file import KeyFile, digest_of
from tilefold.server.roles import ROLES, Role

VARIABLE = "TILEFOLD_API_KEYS"
REFRESH_S = 1.0
Known = Sequence[tuple[bytes, Role]]


class ApiKeys:
    """The keys of one server; safe to share among threads.

    Parameters
    ----------
    file
        The workspace's file of keys; None where there is none, as on an object store.
    given
        The environment's `TILEFOLD_API_KEYS`: `key[:role],...`.

    Raises
    ------
    InputError
        If `given` is not as it must be; no key is in the message.
    """

    def __init__(
        self,
        file: KeyFile | None,
        given: str = "",
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._given, self._clock_s = file, parsed(given), clock_s
        self._lock = threading.Lock()
        self._stored: Known = ()
        self._seen = bool(self._given)
        self._stamp: tuple[int, ...] | None = None
        self._looked_s = float("-inf")
        self._refresh()

    @property
    def required(self) -> bool:
        """Whether a caller must present a key: there is one, or was one."""
        self._refresh()
        return self._seen

    def roles_of(self, key: str) -> frozenset[Role] | None:
        """The role of who presents this key; None where there is no such key, or it was revoked."""
        self._refresh()
        presented, found = digest_of(key), None
        for digest, role in (*self._given, *self._stored):
            if hmac.compare_digest(presented, digest):  # goes on: how long it takes does not tell which one it was
                found = frozenset({role})
        return found

    def _refresh(self) -> None:
        now_s = self._clock_s()
        if self._file is None or now_s - self._looked_s < REFRESH_S:
            return
        with self._lock:
            stamp = self._stamp_of(self._file)
            if stamp != self._stamp:
                self._stored = ()  # whatever goes wrong below, no key of the former file counts
                self._stamp = None
                self._seen = self._seen or bool(stamp)
                keys = self._file.read()
                self._stored = [(bytes.fromhex(each.sha256), each.role) for each in keys if each.revoked is None]
                self._stamp = stamp
            self._looked_s = now_s

    @staticmethod
    def _stamp_of(file: KeyFile) -> tuple[int, ...]:
        """What changes when the file is replaced; nothing where there is none."""
        try:
            found = file.path.stat()
        except FileNotFoundError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size


def parsed(given: str) -> Known:
    """The keys that the environment gives in clear, hashed; raises InputError."""
    known: dict[bytes, Role] = {}
    for number, text in enumerate((each.strip() for each in given.split(",")), 1):
        if not given.strip():
            break
        key, colon, role = text.rpartition(":") if ":" in text else (text, "", "")
        thing = f"{VARIABLE}, key {number}"
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            mend = "Write key or key:role, comma separated, each key in plain ASCII without blanks."
            raise InputError(complaint(thing, "it must be a key that fits into a header", "one that does not", mend))
        if colon and role not in ROLES:
            mend = f"Write key:role with one of: {', '.join(ROLES)}."
            raise InputError(complaint(thing, "what follows its colon must be a role", "something else", mend))
        named = ROLES[role] if colon else ROLES["read"]
        if known.setdefault(digest_of(key), named) != named:
            raise InputError(complaint(thing, "a key has one role", named, "Give each key once."))
    return list(known.items())

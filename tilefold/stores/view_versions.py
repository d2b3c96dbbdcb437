"""Which versions of a view the online store holds, and which of them is served.

The rule: a version is entered before its first key, so that whoever folds or removes finds it; reads are answered with the one
that is served, and it changes in one step (see `version_scripts`). One that was switched away from stays for a minute at least,
since other processes may know of it for so long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tilefold.errors import ConflictError, complaint
from tilefold.stores.online_keys import OnlineKeys
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.online_samples import scan
from tilefold.stores.script_runner import SCRIPT_KEYS, Call, batched
from tilefold.stores.version_scripts import (
    ENTER,
    IS_SERVED,
    NOT_READY,
    OTHER_SERVED,
    REMOVE,
    SERVE_FIRST,
    SERVED_FIELD,
    SWITCH,
    UNKNOWN,
)

KEPT_MS = 60_000
"""How long a version stays after it was switched away from."""
_REMOVED = -1


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one view.

    Attributes
    ----------
    served
        The one that reads are answered with; None where none is yet.
    since_ms
        Of each version 0, or when it was switched away from, in the server's milliseconds since 1970.
    """

    served: str | None
    since_ms: Mapping[str, int]

    @property
    def retired(self) -> list[str]:
        """Those that were served and are still there, the newest first."""
        found = [version for version, since_ms in self.since_ms.items() if since_ms > 0]
        return sorted(found, key=self.since_ms.__getitem__, reverse=True)

    @property
    def standing(self) -> list[str]:
        """Those that are not being removed."""
        return [version for version, since_ms in self.since_ms.items() if since_ms != _REMOVED]


NO_VERSIONS = Versions(None, {})
"""Of a view that is not kept online."""


class ViewVersions:
    """The versions in one workspace's keys."""

    def __init__(self, link: OnlineLink, keys: OnlineKeys) -> None:
        self._link, self._keys = link, keys

    def of(self, view: str) -> Versions:
        """What the store says of a view's versions."""
        found = self._link.command(b"HGETALL", self._keys.versions(view))
        fields: dict[bytes, bytes] = dict(zip(found[::2], found[1::2], strict=True))
        served = fields.pop(SERVED_FIELD, None)
        return Versions(
            None if served is None else served.decode(), {each.decode(): int(since) for each, since in fields.items()}
        )

    def enter(self, view: str, version: str) -> None:
        """Say that keys of a version may be there from here on."""
        self._link.scripts.run(ENTER, Call([self._keys.versions(view)], [version.encode()]))

    def serve_first(self, view: str, version: str) -> bool:
        """Serve a version where none is served yet; whether that was so."""
        return self._link.scripts.run(SERVE_FIRST, Call([self._keys.versions(view)], [version.encode()])) == 1

    def switch(self, view: str, old: str | None, new: str) -> None:
        """Answer reads with another version from here on, in one step; again where it is done already, it changes nothing.

        Raises
        ------
        ConflictError
            If the new version is not ready in this store, or another one than `old` is served.
        """
        states = [self._keys.state(view, new), self._keys.state(view, old or new)]
        keys = [self._keys.versions(view), *states, self._keys.store_id]
        answer = self._link.scripts.run(SWITCH, Call(keys, [new.encode(), (old or "").encode()]))
        thing = f"view '{view}'"
        if answer == NOT_READY:
            mend = "Materialize it first; `tilefold apply` does both."
            raise ConflictError(complaint(thing, "only a version that is whole in the store is served", new, mend))
        if answer == OTHER_SERVED:
            mend = "Look what is served now (`tilefold plan`), then apply again."
            raise ConflictError(complaint(thing, f"version {old} must be served when it is switched", "another one", mend))

    def begin_removal(self, view: str, version: str) -> None:
        """Let nobody read or write a version any more; beginning again changes nothing.

        Raises
        ------
        ConflictError
            If it is served, was switched away from less than a minute ago, or is not there.
        """
        keys = [self._keys.versions(view), self._keys.state(view, version), self._keys.emptied(view, version)]
        answer = self._link.scripts.run(REMOVE, Call(keys, [version.encode(), b"%d" % KEPT_MS]))
        thing = f"view '{view}'"
        if answer == IS_SERVED:
            mend = "Switch to another version first."
            raise ConflictError(complaint(thing, "the version that is served is not removed", version, mend))
        if answer == UNKNOWN:
            raise ConflictError(complaint(thing, "only a version that the store holds is removed", version, "Look again."))
        if answer > 0:
            rule = f"a version stays for {KEPT_MS // 1000} s after it was switched away from, since processes may read it yet"
            raise ConflictError(complaint(thing, rule, version, f"Try again in {-(-answer // 1000)} s."))

    def remove_keys(self, view: str, version: str) -> int:
        """Delete the entities of a version whose removal has begun; how many."""
        removed = 0
        for some in batched(scan(self._link, self._keys.all_entities(view, version)), SCRIPT_KEYS):
            removed += self._link.command(b"UNLINK", *some)
        return removed

    def end_removal(self, view: str, version: str) -> None:
        """Forget a version whose keys are gone."""
        self._link.command(b"HDEL", self._keys.versions(view), version.encode())

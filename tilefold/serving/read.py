"""Merged reads: views and services, one entity or many, in one round trip.

The rule: marks first, then keys, then what stream views end at. `read_view` makes the values of one view, `read_values` and
`read_vector` say what these are, and `read_joined` reads for many requests at once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from tilefold.engine.time import to_us
from tilefold.errors import InputError, complaint
from tilefold.serving.read_values import ReadTime, Status, ViewValues, is_missing, overflows, shown
from tilefold.serving.read_vector import FeatureVector
from tilefold.serving.read_view import Note, Route, Sampler, ViewReader, note_nothing
from tilefold.stores.online_reads import OnlineReads

__all__ = [
    "Asked",
    "FeatureVector",
    "Note",
    "ReadTime",
    "Route",
    "Sampler",
    "ServiceReader",
    "Status",
    "ViewReader",
    "ViewValues",
    "is_missing",
    "note_nothing",
    "overflows",
    "shown",
]


class Asked(NamedTuple):
    """The online keys of some entities, reader by reader, and whose readers' they are."""

    readers: Sequence[ViewReader]
    keys: Sequence[Sequence[bytes]]

    @property
    def is_behind(self) -> bool:
        """Whether another version of some view may answer by now: asked after the marks."""
        return any(reader.is_behind for reader in self.readers)


class ServiceReader:
    """Reads a view or a service: several views in one round trip.

    Attributes
    ----------
    readers
        Of its views, each once or more: of the versions that answered last.
    sources
        Of each feature the number of its reader, and its own among the view's features.
    """

    def __init__(self, online: OnlineReads, selections: Sequence[tuple[ViewReader, Sequence[int]]]) -> None:
        self._online = online
        self.readers = [reader for reader, _ in selections]
        self.sources = [(view, number) for view, (_, numbers) in enumerate(selections) for number in numbers]
        self.names = [self.readers[view].names[number] for view, number in self.sources]
        self._is_whole = len(self.readers) == 1 and self.names == self.readers[0].names
        self._key_names = [reader.key_names for reader in self.readers]

    def get(self, keys: Mapping[str, Any], at: datetime, *, now: bool = False) -> FeatureVector:
        """The features of one entity at a time, which is `now` or another one."""
        return self.get_many([keys], at, now=now)[0]

    def get_many(self, requests: Sequence[Mapping[str, Any]], at: datetime, *, now: bool = False) -> list[FeatureVector]:
        """The features of many entities at a time, in the order asked, in one round trip."""
        read_us = to_us(at)
        asked = self.asked(requests)
        connections = -1
        while connections != self._online.connections:  # again over a new one: its server may have come back with older marks
            connections = self._online.connections
            marks = [reader.mark() for reader in asked.readers]  # before the keys are read
            while asked.is_behind:
                asked = self.followed(asked)
                marks = [reader.mark() for reader in asked.readers]
            flat = list(chain.from_iterable(asked.keys))
            found = self._online.read_many(flat) if len(flat) > 1 else [self._online.read(key) for key in flat]
            times = [reader.time_of(read_us, now=now) for reader in asked.readers]  # after them
        columns = []
        for number, (reader, mark, time) in enumerate(zip(asked.readers, marks, times, strict=True)):
            span = slice(number * len(requests), (number + 1) * len(requests))
            columns.append(reader.fold_all(mark, found[span], time))
            reader.sample(flat[span], found[span], columns[-1])
        return [FeatureVector(self, row) for row in zip(*columns, strict=True)]

    @property
    def may_overflow(self) -> bool:
        """Whether OVERFLOW may stand among values."""
        return any(reader.may_overflow for reader in self.readers)

    def asked(self, requests: Sequence[Mapping[str, Any]]) -> Asked:
        """What is asked of the store; raises InputError where the join keys are not right."""
        readers = self.readers
        return Asked(readers, [[reader.key(keys) for keys in self._own(reader, requests)] for reader in readers])

    def followed(self, asked: Asked) -> Asked:
        """The same of the versions that answer now; blocks. Versions that follow each other have the same join keys."""
        readers = [reader.followed() if reader.is_behind else reader for reader in asked.readers]
        pairs = zip(asked.readers, readers, asked.keys, strict=True)
        keys = [[after.prefix + key[len(before.prefix) :] for key in own] for before, after, own in pairs]
        self.readers = readers
        return Asked(readers, keys)

    def values_of(self, row: Sequence[ViewValues]) -> Sequence[Any]:
        """The values of one entity in the order of `names`; OVERFLOW among them where `may_overflow` is true."""
        return row[0].values if self._is_whole else [row[view].values[number] for view, number in self.sources]

    def _own(self, reader: ViewReader, requests: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """What each request says of the join keys of one view."""
        if len(self.readers) == 1:
            return requests
        known = set().union(*self._key_names)
        for keys in requests:
            if unknown := keys.keys() - known:
                mend = f"Give exactly these keys: {', '.join(sorted(known))}."
                raise InputError(complaint("service", "join keys must be those of its views", sorted(unknown), mend))
        return [{name: keys[name] for name in reader.key_names if name in keys} for keys in requests]

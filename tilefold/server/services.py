"""A feature service as the server knows it: its reader, and everything about its answers that is the same for all of them.

The rule: it is made once per service and definitions; a request only looks things up.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from tilefold.declaration.services import FeatureService
from tilefold.server.join_keys import JoinKeys
from tilefold.server.values import converter, data_type
from tilefold.serving.definitions import Definitions
from tilefold.serving.read import ServiceReader, ViewValues


class Service:
    """One feature service, or a view that is read by itself.

    Attributes
    ----------
    has_newest
        Whether all its views may be read up to the newest event.
    join_keys
        Of all its views.
    """

    def __init__(self, name: str, definitions: Definitions, reader: ServiceReader) -> None:
        self.name, self.reader = name, reader
        views = [view for view, _ in definitions.selection(name)]
        self.has_newest = all(view.leading_edge == "latest_event" for view in views)
        self.join_keys = JoinKeys([field for view in views for field in view.join_keys])
        self.features = [reader.readers[view].features[number] for view, number in reader.sources]
        self._converters = [converter(feature.dtype) for feature in self.features]
        self._floats = [number for number, feature in enumerate(self.features) if feature.dtype.is_float()]
        self._others = [(number, each) for number, each in enumerate(self._converters) if number not in self._floats]
        self._types = [data_type(feature.dtype) for feature in self.features]
        declared = definitions.services.get(name)
        self.description = declared.description if isinstance(declared, FeatureService) else ""
        self._heads: dict[tuple[bool, ...], list[dict[str, Any]]] = {}

    def values_of(self, row: Sequence[ViewValues]) -> list[Any]:
        """The values of one entity as they are sent."""
        values = list(self.reader.values_of(row))
        for number, convert in self._others:
            values[number] = convert(values[number])
        if self._floats and not _all_finite([values[number] for number in self._floats]):
            for number in self._floats:
                values[number] = self._converters[number](values[number])
        return values

    def heads(self, *, names: bool, types: bool, descriptions: bool, tags: bool) -> list[dict[str, Any]]:
        """What is told of each feature that is the same in every answer; not to be changed."""
        asked = (names, types, descriptions, tags)
        if asked not in self._heads:
            keys = ("name", "dataType", "description", "tags")
            chosen = [key for key, wanted in zip(keys, asked, strict=True) if wanted]
            self._heads[asked] = [{key: all_of_it[key] for key in chosen} for all_of_it in self._all_heads()]
        return self._heads[asked]

    def _all_heads(self) -> list[Mapping[str, Any]]:
        return [
            {"name": name, "dataType": kind, "description": feature.description, "tags": dict(feature.tags)}
            for name, kind, feature in zip(self.reader.names, self._types, self.features, strict=True)
        ]

    def described(self) -> dict[str, Any]:
        """What the service takes and gives, as the metadata endpoint tells it."""
        keys = [{"name": field.name, "dataType": data_type(field.dtype)} for field in self.join_keys.fields]
        return {
            "featureServiceType": "DEFAULT",
            "inputJoinKeys": keys,
            "inputRequestContextKeys": [],
            "featureValues": self.heads(names=True, types=True, descriptions=False, tags=False),
        }


def _all_finite(values: Sequence[Any]) -> bool:
    """Whether floats may be sent as they are; False where it is not certain. Their sum tells it sooner than each of them."""
    try:
        return isfinite(sum(values))
    except TypeError:  # one is None, or has overflowed
        return False

"""The version of a view: a hash of everything that changes its stored values.

The rule: a view of another version has its own tables and keys. Texts for people (description, owner, tags), `data_delay` and
where values are kept do not change what is stored for a watermark, and do not count.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from tilefold.declaration.features import Feature
from tilefold.declaration.fingerprint import class_fingerprint
from tilefold.declaration.windows import Window
from tilefold.types import Field

_FORM = 1  # counts up when what is hashed changes
_DIGITS = 12
_LEARNED = ("ends_on_grid", "ttl_us", "calendar")


def version_of(settings: dict[str, object], columns: Sequence[Field], features: Iterable[Feature], code: str) -> str:
    """Hash what a view stores: its settings, its columns, its features and its transformation's code."""
    stored = {
        "form": _FORM,
        "settings": settings,
        "columns": [(column.name, str(column.dtype)) for column in columns],
        "features": [_feature(feature) for feature in features],
        "code": code,
    }
    text = json.dumps(stored, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _feature(feature: Feature) -> list[object]:
    windows = [_window(window) for window in feature.windows]
    own = [] if feature.function.user is None else [class_fingerprint(type(feature.function.user))]
    return [feature.name, feature.input_column, feature.function.label, feature.is_series, windows, *own]


def _window(window: Window) -> dict[str, object]:
    """What places a window; what it is not is left out, so that versions stay when windows learn something new."""
    return {name: value for name, value in asdict(window).items() if name not in _LEARNED or value}

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tests.declaration.samples import DAY_US, TRANSACTIONS, USER, declare


def test_attributes() -> None:
    """A view knows what it was declared with."""
    view = declare(description="d", owner="o", tags={"a": "b"}, online=False)
    assert (view.name, view.kind, view.mode, view.source, view.entities) == ("spend", "batch", "polars", TRANSACTIONS, (USER,))
    assert (view.description, view.owner, view.tags) == ("d", "o", {"a": "b"})
    assert (view.online, view.offline, view.compaction_enabled, view.few_cells) == (False, True, True, 64)
    assert (view.timestamp_field, view.schedule_us, view.cell_us) == ("timestamp", DAY_US, DAY_US)


def test_frozen() -> None:
    """A view cannot be changed."""
    view: Any = declare()
    with pytest.raises(FrozenInstanceError):
        view.name = "other"


def test_repr() -> None:
    """A view shows its name, version and features."""
    view = declare()
    assert repr(view) == f"<batch view 'spend', version {view.version}: ['amount_sum_30d']>"


def test_hashable() -> None:
    """Views can be keys; two declarations are two views."""
    assert len({declare(), declare()}) == 2

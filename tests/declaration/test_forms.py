"""Views written as objects, as they are by people who come from another SDK."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import CLICKS, DAY, TRANSACTIONS, USER, declare, declare_stream, spend, total
from tilefold import Attribute, BatchFeatureView, BatchTriggerType, StreamFeatureView
from tilefold.declaration import FeatureView
from tilefold.errors import DeclarationError
from tilefold.types import Float64

BATCH: dict[str, Any] = {"sources": [TRANSACTIONS], "entities": [USER], "features": [total()]}
STREAM: dict[str, Any] = {"source": CLICKS, "entities": [USER], "features": [total()]}


def _given(sample: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    return {**sample, "name": "spend", "feature_start_time": datetime(2022, 5, 1), **parameters}  # noqa: DTZ001 - it means UTC


@pytest.mark.parametrize(
    ("form", "sample", "declared"), [(BatchFeatureView, BATCH, declare), (StreamFeatureView, STREAM, declare_stream)]
)
def test_the_same_view(form: Any, sample: dict[str, Any], declared: Any) -> None:
    """A form is what its decorator is: a view of one version."""
    view = form(**_given(sample, feature_view_function=spend))
    assert isinstance(view, FeatureView)
    assert view.version == declared().version
    assert view.name == "spend"


def test_kinds() -> None:
    """`isinstance` with a form asks for the kind of any view, and a form is no class of other things."""
    assert isinstance(declare(), BatchFeatureView)
    assert isinstance(declare_stream(), StreamFeatureView)
    assert not isinstance(declare(), StreamFeatureView)
    assert not isinstance(CLICKS, StreamFeatureView)


@pytest.mark.parametrize("mode", [None, "pandas", "python"])
def test_events_as_they_are(mode: str | None) -> None:
    """Without a function the events are taken as they are."""
    given = {} if mode is None else {"mode": mode}
    view: Any = StreamFeatureView(**_given(STREAM, features=[Attribute("amount", Float64)], ttl=30 * DAY, **given))
    frame = pl.LazyFrame(schema=CLICKS.input_schema)
    assert view.transform(frame).collect_schema().names() == ["user_id", "timestamp", "amount", "event_id"]


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"name": None}, "StreamFeatureView: it must have a name; got None"),
        ({"mode": "sql"}, "view 'spend': a mode needs a feature_view_function; got 'sql'"),
        ({"watermark": 5}, "view 'spend': StreamFeatureView does not know the parameter 'watermark'; got 5"),
        ({"feature_view_function": "f"}, "view 'spend': what is decorated must be a function; got 'f'"),
        (
            {"sources": [TRANSACTIONS], "source": None},
            "a stream view takes a StreamSource, not a BatchSource; got 'transactions'",
        ),
        ({"batch_trigger": BatchTriggerType.NO_BATCH_MATERIALIZATION}, "batch_trigger must be one that has a batch part"),
        ({"batch_trigger": "never"}, "view 'spend': batch_trigger must be one that has a batch part; got 'never'"),
    ],
)
def test_refusals(parameters: dict[str, Any], rule: str) -> None:
    """What breaks a rule is refused as by the decorator, with the view's name."""
    with pytest.raises(DeclarationError) as refused:
        StreamFeatureView(**_given(STREAM, **parameters))
    assert rule in str(refused.value)


def test_positional() -> None:
    """Parameters are given by name."""
    wrong: Any = BatchFeatureView
    with pytest.raises(DeclarationError, match="BatchFeatureView: its parameters are given by name; got 'spend'"):
        wrong("spend")


@pytest.mark.parametrize("written", [BatchTriggerType.MANUAL, "manual"])
def test_manual(written: Any) -> None:
    """A manual view is out of the schedule, and its values are those of the scheduled one."""
    view = declare(batch_trigger=written)
    assert not view.scheduled
    assert declare().scheduled
    assert view.version == declare().version

from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import (
    AMOUNT,
    DAY,
    SCHEMA,
    TRANSACTIONS,
    USER,
    declare,
    refusal,
    spend,
    stream_refusal,
    total,
)
from tilefold import Attribute, BatchSource, Entity, Field, FileConfig, StreamSource, TimeWindowSeries, pyarrow_batch_config
from tilefold.errors import AssumedTypeWarning
from tilefold.types import Float64, Int64, String, Timestamp


def test_source_and_sources() -> None:
    """`source=` and `sources=[one]` mean the same."""
    assert declare(source=..., sources=[TRANSACTIONS]).source is declare().source is TRANSACTIONS


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"sources": [TRANSACTIONS]}, "source and sources may not both be given"),
        ({"source": ...}, "a view has exactly one source; got None"),
        ({"source": ..., "sources": []}, "a view has exactly one source; got []"),
        ({"source": ..., "sources": [TRANSACTIONS, TRANSACTIONS]}, "a view has exactly one source; got [Batch"),
        ({"source": "transactions"}, "source must be a BatchSource; got 'transactions'"),
        (
            {"source": StreamSource("clicks", schema=SCHEMA)},
            "a batch view takes a BatchSource, not a StreamSource; got 'clicks'",
        ),
    ],
)
def test_wrong_source(given: dict[str, Any], rule: str) -> None:
    """A view takes exactly one BatchSource."""
    assert f"view 'spend': {rule}" in refusal(**given)


def test_join_keys() -> None:
    """The join keys are those of all entities, in their order."""
    shop = Entity("shop", join_keys=[Field("merchant", String)])
    view = declare(entities=[shop, USER])
    assert [key.name for key in view.join_keys] == ["merchant", "user_id"]


@pytest.mark.parametrize("entities", [..., None, [], USER, ["user"]])
def test_no_entities(entities: object) -> None:
    """A view without a list of entities is refused."""
    assert "view 'spend': entities must be a list of at least one Entity; got" in refusal(entities=entities)


def test_shared_join_key() -> None:
    """A join key that two entities have is refused."""
    other = Entity("buyer", join_keys=[Field("user_id", String)])
    message = refusal(entities=[USER, other])
    assert "view 'spend': a join key may belong to one entity only; got 'user_id'" in message


def test_timestamp_is_a_join_key() -> None:
    """A timestamp field that is a join key is refused."""
    moment = Entity("moment", join_keys=[Field("timestamp", Timestamp)])
    assert "view 'spend': timestamp_field may not be a join key; got 'timestamp'" in refusal(entities=[moment])


@pytest.mark.parametrize("name", ["", 5, "event_id"])
def test_wrong_timestamp_field(name: object) -> None:
    """A timestamp field that is no column is refused."""
    assert f"view 'spend': timestamp_field must be a column; got {name!r}" in refusal(timestamp_field=name)


def test_reserved_column() -> None:
    """A column whose name begins like the project's own is refused."""
    feature = total(input_column=Field("tf_epoch", Float64))
    assert "view 'spend': a column's name may not begin with tf_ or __; got 'tf_epoch'" in refusal(features=[feature])


def test_compaction_has_two_names() -> None:
    """`batch_compaction_enabled` is `compaction_enabled`, which is on by default."""
    assert declare().compaction_enabled
    assert declare(batch_compaction_enabled=True, compaction_enabled=True).compaction_enabled
    assert not declare(compaction_enabled=False).compaction_enabled
    assert not declare(batch_compaction_enabled=False).compaction_enabled


def test_compaction_names_disagree() -> None:
    """The two names of compaction with different values are refused."""
    message = refusal(compaction_enabled=True, batch_compaction_enabled=False)
    assert "view 'spend': compaction_enabled and batch_compaction_enabled are two names of one" in message


@pytest.mark.parametrize("parameter", ["online", "offline", "compaction_enabled", "batch_compaction_enabled"])
def test_switches(parameter: str) -> None:
    """A switch that is neither on nor off is refused."""
    given: dict[str, Any] = {parameter: "no"}
    assert f"view 'spend': {parameter} must be True or False; got 'no'" in refusal(**given)


@pytest.mark.parametrize(
    ("mode", "mend"),
    [("pyspark", "there is no Spark"), ("pands", "Use one of polars, sql, pandas"), (None, "Use one of polars")],
)
def test_unknown_mode(mode: object, mend: str) -> None:
    """A mode that is not known is refused, and the error says which are."""
    message = refusal(mode=mode)
    assert f"view 'spend': mode must be known; got {mode!r}. " in message
    assert mend in message


def test_secondary_key() -> None:
    """Features are lists by a secondary key, and each window lists its keys, under the window's name."""
    series = TimeWindowSeries(series_start=-7 * DAY, step_size=DAY)
    features = [total(time_window=7 * DAY), total(function="count", time_window=7 * DAY), total(time_window=series)]
    view = declare(features=features, aggregation_secondary_key="merchant")
    assert {one.name: one.dtype for one in view.features} == {
        "merchant_keys_7d": pl.List(pl.String),
        "merchant_keys_1d_series_7d_0s_1d": pl.List(pl.List(pl.String)),
        "amount_sum_7d": pl.List(pl.Float64),
        "amount_count_7d": pl.List(pl.Int64),
        "amount_sum_1d_series_7d_0s_1d": pl.List(pl.List(pl.Float64)),
    }
    assert view.secondary_key == Field("merchant", String)
    assert "merchant" in [column.name for column in view.columns]
    assert view.version != declare(features=features).version


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"aggregation_secondary_key": "user_id"}, "it must be a column that is neither a join key nor the timestamp"),
        ({"aggregation_secondary_key": "timestamp"}, "neither a join key nor the timestamp; got 'timestamp'"),
        ({"aggregation_secondary_key": 5}, "neither a join key nor the timestamp; got 5"),
        ({"aggregation_secondary_key": "nowhere"}, "the type of aggregation_secondary_key must be known; got 'nowhere'"),
        ({"aggregation_secondary_key": "amount"}, "aggregation_secondary_key 'amount' must be String, Int8 to Int64"),
        (
            {"aggregation_secondary_key": "merchant", "features": [Attribute("merchant", String)]},
            "aggregation_secondary_key belongs to views of Aggregates; got 'merchant'",
        ),
    ],
)
def test_wrong_secondary_key(given: dict[str, Any], rule: str) -> None:
    """It is another column, of a type that keys may have, beside Aggregates."""
    assert rule.replace("it must be", "aggregation_secondary_key must be") in refusal(**given)


def test_a_secondary_key_of_two_trailing_edges() -> None:
    """Two windows of one name whose edges move differently would list different keys under it."""
    features = [total(time_window=7 * DAY, trailing_edge=edge) for edge in (DAY, DAY / 24)]
    named = [replace(features[0], name="one"), replace(features[1], name="other")]
    message = stream_refusal(features=named, aggregation_secondary_key="merchant")
    assert "a feature's name may stand once; got 'merchant_keys_7d'" in message


def test_ttl() -> None:
    """A ttl beside aggregates is refused, since their windows bound them."""
    message = refusal(ttl=DAY)
    assert "view 'spend': ttl belongs to views of Attributes; got datetime.timedelta(days=1)" in message


def test_ttl_of_attributes() -> None:
    """A ttl is how long Attributes are valid; without one they are for ever."""
    features = [Attribute("merchant", String)]
    for ttl, ttl_us in ((DAY, 86_400_000_000), (None, None)):
        (window,) = declare(ttl=ttl, features=features).features[0].windows
        assert (window.size_us, window.ttl_us) == (None, ttl_us)


@pytest.mark.parametrize("ttl", [timedelta(0), -DAY, 30])
def test_wrong_ttl(ttl: Any) -> None:
    """A ttl is a positive timedelta."""
    assert "view 'spend': ttl must be" in refusal(ttl=ttl, features=[Attribute("merchant", String)])


@pytest.mark.parametrize("name", ["user spend", "a__b", "spend_", ""])
def test_wrong_name(name: str) -> None:
    """A view's name must not blur where `view__feature` parts."""
    message = refusal(name=name)
    assert message.startswith(f"view {name!r}: a name ")
    assert f"got {name!r}" in message


class _Callable:
    def __call__(self, frame: object) -> object:
        return frame


def test_not_a_function() -> None:
    """Something callable that is no function is refused, since its code cannot be told from another's."""
    assert "view '_Callable': what is decorated must be a function; got <" in refusal(_Callable())


def test_missing_column() -> None:
    """A declared column that the function does not return is found at the declaration."""
    feature = total(input_column=Field("tip", Float64))
    message = refusal(features=[feature])
    assert "view 'spend': column 'tip' must be returned; got None. Return it from the view's function" in message


def test_wrong_column_type() -> None:
    """A declared type that is not the function's is found at the declaration."""
    feature = total(input_column=Field("merchant", Int64), function="max")
    assert "view 'spend': column 'merchant' must be Int64; got 'String'" in refusal(features=[feature])


def test_unknown_columns_are_not_tried() -> None:
    """Where only the files know the columns, the function is not run at the declaration."""
    files = BatchSource("files", timestamp_field="timestamp", batch_config=FileConfig("*.parquet"))
    view = declare(source=files, features=[total(input_column=Field("tip", Float64))])
    assert view.columns[-1].name == "tip"


def test_columns() -> None:
    """The output's columns are join keys, timestamp and inputs, each once."""
    view = declare(spend, features=[total(), total(function="mean")])
    assert view.columns == (Field("user_id", String), Field("timestamp", Timestamp), AMOUNT)


def test_secondary_key_of_unknown_type() -> None:
    """Where neither the source nor a feature says its type, String is assumed, and a warning says so."""
    source = BatchSource("files", batch_config=FileConfig("a.parquet", timestamp_field="timestamp"))
    with pytest.warns(AssumedTypeWarning, match="view 'spend': aggregation_secondary_key 'shop' is taken for a String"):
        assert declare(source=source, aggregation_secondary_key="shop").secondary_key == Field("shop", String)


def test_timestamp_named_by_the_view() -> None:
    """A source that is a function without a timestamp_field takes it from the first view that names one."""

    def rows() -> None: ...

    source = BatchSource("rows", batch_config=pyarrow_batch_config()(rows))
    assert "the source 'rows' says no timestamp_field, so the view must; got None" in refusal(source=source)
    assert declare(source=source, timestamp_field="at").source.timestamp_field == "at"
    assert declare(source=source).timestamp_field == "at"


def test_nothing_is_kept() -> None:
    """A view that is neither online nor offline has nothing to compact, unless it says that it wants to."""
    assert not declare(online=False, offline=False).compaction_enabled
    assert "compaction needs offline=True" in refusal(online=False, offline=False, compaction_enabled=True)

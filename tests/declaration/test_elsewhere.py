"""Parameters of the SDK that people come from."""

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.declaration.samples import DAY, TRANSACTIONS, USER, declare, declare_stream, refusal
from tilefold import (
    Aggregate,
    Attribute,
    BatchSource,
    DeltaConfig,
    DynamoConfig,
    Entity,
    FeatureService,
    FileConfig,
    OfflineStoreConfig,
    PushConfig,
    StreamSource,
    TimeWindow,
    TimeWindowSeries,
    pandas_batch_config,
)
from tilefold.declaration.elsewhere import (
    DELTA,
    ENTITY,
    FILES,
    FUNCTION_SOURCE,
    OFFLINE_STORE,
    PUSH,
    SERVICE,
    SOURCE,
    VIEW,
    Elsewhere,
    sorted_out,
)
from tilefold.errors import DeclarationError, IgnoredParameterWarning
from tilefold.types import Int64

NAME = st.text("abcdefgh_", min_size=1, max_size=8)


@pytest.mark.parametrize("declared", [declare, declare_stream])
def test_one_warning_a_view(declared: Any) -> None:
    """All that means nothing here is named by one warning, and changes nothing."""
    with pytest.warns(IgnoredParameterWarning) as told:
        view = declared(alert_email="a@b.c", batch_compute=5, environment="core", online_store=DynamoConfig())
    ignored = "alert_email, batch_compute, environment, online_store, which mean nothing here."
    assert [str(one.message) for one in told] == [f"view 'spend': {view.kind}_feature_view ignores {ignored}"]
    assert told[0].filename.endswith("samples.py"), "the warning points at the declaration"
    assert view.version == declared().version


@pytest.mark.parametrize("parameter", sorted(VIEW.ignored))
def test_each_is_ignored(parameter: str) -> None:
    """Each of them is accepted."""
    with pytest.warns(IgnoredParameterWarning, match=f"ignores {parameter}, which means nothing here"):
        declare(**{parameter: None})


@pytest.mark.parametrize("parameter", sorted(VIEW.refused))
def test_each_is_refused(parameter: str) -> None:
    """What would change values is an error that says what to do, for each by its own words."""
    message = refusal(**{parameter: [1]})
    assert (
        message
        == f"view 'spend': batch_feature_view does not know the parameter {parameter!r}; got [1]. {VIEW.refused[parameter]}"
    )


@pytest.mark.parametrize(
    ("form", "parameters", "thing", "table"),
    [
        (Entity, {"name": "user", "join_keys": USER.join_keys}, "entity 'user'", ENTITY),
        (BatchSource, {"name": "t", "schema": TRANSACTIONS.schema}, "source 't'", SOURCE),
        (StreamSource, {"name": "t", "schema": TRANSACTIONS.schema}, "source 't'", SOURCE),
        (FileConfig, {"uri": "a/*.parquet"}, "FileConfig 'a/*.parquet'", FILES),
        (PushConfig, {}, "PushConfig", PUSH),
        (DeltaConfig, {}, "DeltaConfig", DELTA),
        (OfflineStoreConfig, {}, "OfflineStoreConfig", OFFLINE_STORE),
        (FeatureService, {"name": "s", "features": [declare()]}, "service 's'", SERVICE),
    ],
)
def test_other_forms(form: Any, parameters: dict[str, Any], thing: str, table: Elsewhere) -> None:
    """Sources, entities, services and configurations take theirs with a warning, and refuse what is unknown by name."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert form(**parameters, **dict.fromkeys(table.ignored)) is not None
    assert len(told) == 1
    assert told[0].filename == __file__
    assert str(told[0].message).startswith(f"{thing}: {form.__name__} ignores ")
    for name in ("nonsense", *table.refused):
        with pytest.raises(DeclarationError) as refused:
            form(**parameters, **{name: 5})
        assert str(refused.value).startswith(f"{thing}: {form.__name__} does not know the parameter {name!r}; got 5. ")


def test_source_functions() -> None:
    """A source's function takes them too."""

    def rows() -> None: ...

    with pytest.warns(IgnoredParameterWarning, match="source function 'rows': pandas_batch_config ignores secrets"):
        pandas_batch_config(secrets={})(rows)
    with pytest.raises(DeclarationError, match=r"'data_dely'; got 5\. Did you mean data_delay"):
        pandas_batch_config(data_dely=5)(rows)
    assert "secrets" in FUNCTION_SOURCE.ignored


@given(st.dictionaries(NAME, st.integers(), max_size=6), st.sets(NAME), st.sets(NAME))
def test_nothing_is_lost(written: dict[str, int], known: set[str], ignored: set[str]) -> None:
    """Each parameter is known, named by the one warning, or named by the error."""
    table = Elsewhere(frozenset(ignored - known))
    unknown = written.keys() - known - ignored
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if unknown:
            with pytest.raises(DeclarationError) as refused:
                sorted_out("it", "form", written, known, table)
            assert any(f"the parameter {name!r}" in str(refused.value) for name in unknown)
            return
        taken = sorted_out("it", "form", written, known, table)
    assert taken == {name: value for name, value in written.items() if name in known}
    named = {name for one in told for name in str(one.message).partition("ignores ")[2].partition(", which")[0].split(", ")}
    assert named == written.keys() - known
    assert len(told) <= 1


@pytest.mark.parametrize(
    ("form", "given", "told"),
    [
        (Aggregate, {"function": "sum", "time_windw": DAY}, "Aggregate does not know the parameter 'time_windw'"),
        (Attribute, {"name": "age", "type": Int64}, "Attribute 'age': Attribute does not know the parameter 'type'"),
        (TimeWindow, {"size": DAY}, "TimeWindow: TimeWindow does not know the parameter 'size'"),
        (TimeWindowSeries, {"series_start": -DAY, "size": DAY}, "TimeWindowSeries does not know the parameter 'size'"),
    ],
)
def test_features(form: Any, given: dict[str, Any], told: str) -> None:
    """Features and windows refuse what they do not know by name, too."""
    with pytest.raises(DeclarationError) as refused:
        form(**given)
    assert told in str(refused.value)

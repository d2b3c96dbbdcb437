"""What a server is asked from outside, and what its answers come to."""

import math

import pytest

from tests.running import free_port
from tilefold.errors import InputError, StoreUnavailableError
from tilefold.server.metrics import Metrics
from tilefold.server.probe import _state, probe, quantile


@pytest.mark.parametrize(
    ("buckets", "limit"),
    [
        ({0.1: 99, 0.5: 100, math.inf: 100}, 0.1),
        ({0.1: 98, 0.5: 100, math.inf: 100}, 0.5),
        ({0.1: 0, 0.5: 0, math.inf: 3}, math.inf),
        ({0.1: 1, 0.5: 1, math.inf: 1}, 0.1),
    ],
)
def test_99_of_100_lie_below_the_limit(buckets: dict[float, float], limit: float) -> None:
    """The upper end of the bucket that holds the 99th of a hundred."""
    assert quantile(buckets, 0.99) == limit


def test_reads_are_told_apart_from_the_rest() -> None:
    """Single reads and batches of a service count together; ingest, explanations and health do not."""
    metrics = Metrics(["spend"])
    for number in range(100):
        metrics.request("/api/v1/feature-service/get-features", "spend", 200, 0.0004 if number else 0.3)
    metrics.request("/api/v1/feature-service/get-features-batch", "spend", 200, 0.3)
    metrics.request("/explain", "spend", 200, 3.0)
    metrics.stale("spend", 7)
    state = _state(True, "", metrics.exposition().decode())
    assert (state.requests, state.p99_s, state.stale) == ({"spend": 101}, {"spend": 0.5}, {"spend": 7})


def test_a_server_that_answered_nothing_has_no_p99() -> None:
    """Nothing is made up of nothing."""
    state = _state(True, "", Metrics([]).exposition().decode())
    assert (state.requests, state.p99_s) == ({}, {})


def test_an_address_that_is_none_is_told() -> None:
    """Only HTTP is asked: no file, no other scheme."""
    for url in ("localhost:8080", "file:///etc/passwd", ""):
        with pytest.raises(InputError, match="must be http:// or https://"):
            probe(url)


def test_a_server_that_is_away_is_an_error() -> None:
    """It never looks like one that is well."""
    with pytest.raises(StoreUnavailableError, match="it must answer"):
        probe(f"http://127.0.0.1:{free_port()}")

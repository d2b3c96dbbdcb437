"""A full sync: the way out where the store's bytes are broken."""

from pathlib import Path

import pytest

from tests.pipelines import DAY, EVENTS, START, USER, Clock, day, features
from tilefold import TimeWindow, Workspace, batch_feature_view
from tilefold.errors import CorruptBlobError


@batch_feature_view(
    source=EVENTS, entities=[USER], mode="polars", features=features(TimeWindow(7 * DAY)), feature_start_time=START
)
def seen(events):  # noqa: ANN001, ANN201, D103 - as people write them
    return events.select("user", "at", "amount", "units", "label")


def test_a_full_materialization_mends_broken_bytes(tmp_path: Path) -> None:
    """A corrupt part is refused by name until `full=True` writes every key anew, watermark unchanged."""
    row = {"user": "ann", "at": day(1), "amount": 2.0, "units": 3, "label": "x"}
    with Workspace(tmp_path, [seen], clock=Clock(day(3))) as ws:
        ws.append("events", [row, row | {"user": "bob"}])
        ws.materialize("seen", day(2))
        ws.online_client().hset(ws.online_key("seen", {"user": "ann"}), b"b", b"\x01broken" * 20)
        with pytest.raises(CorruptBlobError, match="full"):
            ws.get_features("seen", {"user": "ann"})
        assert ws.materialize("seen", day(2)).skipped
        report = ws.materialize("seen", day(2), full=True).sync
        assert report is not None
        assert (report.full, report.written) == (True, 2)
        assert ws.get_features("seen", {"user": "ann"}).values["seen.units_sum_7d"] == 3

"""A staging and a production workspace beside each other: a change is tried in one before it goes live in the other."""

from pathlib import Path

import pytest

from tests.pipelines import DAY, UNITS, Clock, assert_all_equal_reference, day, declare, frame
from tests.streams import opened, record, source
from tests.versions import NAMES, WATERMARK, declare_new, declare_old, wanted
from tilefold import Aggregate, TimeWindow, Workspace
from tilefold.errors import StoreMismatchError

ROWS = frame([("a", 0.5, 2), ("a", 1.5, 3), ("a", 2.5, 4), ("b", 2.25, 5)])
SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
OLD = declare(wanted=[SUM])
NEW = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="max", time_window=TimeWindow(2 * DAY))])


def test_one_root_of_batch_views(tmp_path: Path, online_url: str) -> None:
    """What staging has made of a version, production need not make again: it syncs, and switches."""
    names = (f"prod-{tmp_path.name}", f"staging-{tmp_path.name}")

    def open_as(name: str, view: object) -> Workspace:
        return Workspace(tmp_path, [view], online=online_url, clock=Clock(day(3.5)), name=name)

    with open_as(names[0], OLD) as production, open_as(names[1], NEW) as staging:
        production.append("events", ROWS)
        production.materialize("spend", day(3))
        staging.materialize("spend", day(3))
        assert_all_equal_reference(staging, NEW, ROWS, ["a", "b"], day(3))
        assert_all_equal_reference(production, OLD, ROWS, ["a", "b"], day(3))
        assert production.versions("spend").since_ms.keys() == {OLD.version}
        with open_as(names[0], NEW) as changed:
            (planned,) = changed.plan().views
            assert planned.cost is not None
            assert planned.cost.build_days == 0
            report = changed.materialize("spend", day(3))
            assert report.compaction is not None
            assert report.compaction.rebuilt_days == ()
            assert report.switch is not None
            assert report.switch.switched
            assert_all_equal_reference(changed, NEW, ROWS, ["a", "b"], day(3))
        assert_all_equal_reference(staging, NEW, ROWS, ["a", "b"], day(3))


def test_roots_of_streams(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """With streams each workspace has a root of its own, on the same servers; neither sees what happens in the other."""
    old, new = declare_old(source()), declare_new(source())
    name = tmp_path.name.replace("[", "").replace("]", "")
    with (
        opened(tmp_path / "production", online_url, stream_url, old, name=f"prod-{name}") as production,
        opened(tmp_path / "staging", online_url, stream_url, new, name=f"staging-{name}") as staging,
    ):
        for number in (1, 2, 3):
            for ws in (production, staging):
                ws.ingest("pushed", [record("u", 9.25, number, f"e{number}")])
        for ws in (production, staging):
            ws.materialize("spend", WATERMARK)
        staging.ingest("pushed", [record("u", 9.25, 4, "tried")])
        for ws, count, scale in ((production, 3, 1), (staging, 4, 1000)):
            found = ws.get_features("spend", {"user": "u"}).values
            assert tuple(found[f"spend.{each}"] for each in NAMES) == wanted(count, scale)


def test_one_root_has_one_stream_of_a_source(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A second workspace of a root may not have the stream of its source too: barriers of one would be missing in the other."""
    view = declare_old(source())
    with opened(tmp_path, online_url, stream_url, view) as first:
        first.ingest("pushed", [record("u", 9.25, 1, "e1")])
        with (
            opened(tmp_path, online_url, stream_url, view) as second,
            pytest.raises(StoreMismatchError, match="its stream belongs to the workspace"),
        ):
            second.ingest("pushed", [record("u", 9.25, 2, "e2")])

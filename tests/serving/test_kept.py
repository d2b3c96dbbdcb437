"""Definitions that are kept, for processes that were given other ones."""

import json
from pathlib import Path

import pytest

from tests.pipelines import Clock
from tests.streams import NOW, record
from tilefold import Workspace
from tilefold.declaration.described import describe_view, view_of
from tilefold.errors import InputError, NewerFormatError
from tilefold.serving import kept

VIEWS = """
from datetime import UTC, datetime, timedelta
import polars as pl
from tilefold import Aggregate, Entity, Field, PushConfig, StreamSource, stream_feature_view
from tilefold.types import Float64, Int64, String, Timestamp
{more}
schema = [Field("user", String), Field("at", Timestamp), Field("amount", Float64), Field("units", Int64)]
pushed = StreamSource("pushed", schema=schema, timestamp_field="at", stream_config=PushConfig())

@stream_feature_view(
    source=pushed, entities=[Entity("user", join_keys=[Field("user", String)])], mode="polars",
    feature_start_time=datetime(2024, 1, 1, tzinfo=UTC),
    features=[Aggregate(input_column=Field("units", Int64), function="sum", time_window=timedelta(days=1))],
)
def spend(pushed):
    return pushed.with_columns(pl.col("units") * {scale})
"""
SUM = "spend.units_sum_1d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of definitions, of which one file takes a number from another."""
    made = tmp_path / "features"
    made.mkdir()
    (made / "scales.py").write_text("SCALE = 1\n")
    (made / "views.py").write_text(VIEWS.format(more="from features.scales import SCALE", scale="SCALE"))
    return made


def opened(root: Path, folder: Path, online: str, stream: str) -> Workspace:
    """A process that was given the definitions of the folder as they are now."""
    return Workspace(root, folder, online=online, stream=stream, clock=Clock(NOW), name=f"p{root.name}")


def total(ws: Workspace) -> object:
    """What a read gives."""
    return ws.get_features("spend", {"user": "u"}).values[SUM]


def test_a_process_that_never_had_the_old_definition_writes_it(
    tmp_path: Path, folder: Path, online_url: str, stream_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every process has new definitions, a stream goes on into the served version by the kept files."""
    with opened(tmp_path, folder, online_url, stream_url) as ws:
        ws.ingest("pushed", [record("u", 9.25, 1, "e1")])
        old = ws.definitions.view("spend").version
    (folder / "scales.py").write_text("SCALE = 1000\n")
    monkeypatch.setattr(kept, "_seen", {})
    with opened(tmp_path, folder, online_url, stream_url) as ws:
        assert ws.definitions.view("spend").version != old
        ws.ingest("pushed", [record("u", 9.25, 2, "e2")])
        assert (total(ws), ws.versions("spend").served) == (3, old)
        ws.materialize("spend")
        assert total(ws) == 3000
        ws.ingest("pushed", [record("u", 9.25, 4, "e3")])
        assert total(ws) == 7000
        assert ws.materialize("spend").switch is None
        (kept_old,) = [each for each in ws._parts.kept.of("spend") if each.version == old]
        assert sorted(kept_old.files) == ["scales.py", "views.py"]


def test_files_that_give_another_version_are_not_used(
    tmp_path: Path, folder: Path, online_url: str, stream_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code is only taken where it gives the very version; else the version is read, and not written."""
    with opened(tmp_path, folder, online_url, stream_url) as ws:
        ws.ingest("pushed", [record("u", 9.25, 1, "e1")])
        view = ws.definitions.view("spend")
        table = ws._parts.kept._table
        key = ws._parts.kept._key("spend", view.version)
        facts = json.loads(table.get(key) or "")
        table.put(key, json.dumps(facts | {"files": kept._packed({"views.py": VIEWS.format(more="", scale=7)})}))
        (folder / "scales.py").write_text("SCALE = 1000\n")
        monkeypatch.setattr(kept, "_seen", {})
        with opened(tmp_path, folder, online_url, stream_url) as other:
            assert other._parts.kept.computable("spend", view.version) is None
            assert total(other) == 1
            ws.ingest("pushed", [record("u", 9.25, 2, "e2")])
            assert total(other) == 3


def test_a_described_view_computes_nothing(tmp_path: Path, folder: Path, online_url: str, stream_url: str) -> None:
    """What is made of a description says that its code is not here; a newer form is refused by name."""
    with opened(tmp_path, folder, online_url, stream_url) as ws:
        view = ws.definitions.view("spend")
        again = view_of(describe_view(view), view.source)
        with pytest.raises(InputError, match="its code is not here"):
            again.transform(ws.event_log("pushed").snapshot().scan())
        newer = json.dumps(json.loads(describe_view(view)) | {"form": 2})
        with pytest.raises(NewerFormatError, match="must be of form 1 or less"):
            view_of(newer, view.source)

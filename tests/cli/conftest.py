"""What the tests of the command share: a folder of definitions, and a root with events that was materialized."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.cli.writers import DECLARED
from tilefold.cli import commands_building, commands_reading
from tilefold.cli.app import run

DEFINITIONS = """
from datetime import UTC, datetime, timedelta

from tilefold import Aggregate, BatchSource, Entity, FeatureService, FileConfig, TimeWindow, batch_feature_view
from tilefold.types import Bool, Field, Float64, Int64, String, Timestamp

columns = [Field("user", Int64), Field("paid", Bool), Field("at", Timestamp), Field("amount", Float64)]
payments = BatchSource("payments", schema=columns, timestamp_field="at", batch_config=FileConfig("payments.parquet"))
user = Entity("user", join_keys=[Field("user", Int64)])
kind = Entity("kind", join_keys=[Field("paid", Bool)])
total = Aggregate(input_column=Field("amount", Float64), function="sum", time_window=TimeWindow(timedelta(days=36500)))
start = datetime(2024, 1, 1, tzinfo=UTC)

@batch_feature_view(source=payments, entities=[user], mode="polars", features=[total], feature_start_time=start)
def spend(payments):
    return payments

@batch_feature_view(source=payments, entities=[kind], mode="polars", features=[total], feature_start_time=start)
def turnover(payments):
    return payments

both = FeatureService("both", features=[spend, turnover])
"""

Told = tuple[int, str, str]
Run = Callable[..., Told]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file of three payments of two users."""
    folder = tmp_path / "root"
    folder.mkdir()
    frame = pl.DataFrame({"user": [1, 1, 2], "paid": [True, False, True], "amount": [1.5, 2.5, 9.0]})
    day = pl.lit("2024-03-01T10:00:00").str.to_datetime(time_unit="us", time_zone="UTC")
    frame.with_columns(day.alias("at")).write_parquet(folder / "payments.parquet")
    return folder


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    """A folder of declarations."""
    folder = tmp_path / "declared"
    folder.mkdir()
    (folder / "payments.py").write_text(DEFINITIONS)
    return folder


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    """A folder that declares a stream source, a view of it, and a source with files."""
    folder = tmp_path / "streams"
    folder.mkdir()
    (folder / "clicks.py").write_text(DECLARED)
    return folder


@pytest.fixture
def tilefold(root: Path, definitions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process: exit code, standard output, standard error."""
    for name in ("TILEFOLD_ROOT", "TILEFOLD_DEFINITIONS", "TILEFOLD_ONLINE_URL", "TILEFOLD_STREAM_URL", "TILEFOLD_NAME"):
        monkeypatch.delenv(name, raising=False)
    for commands in (commands_building, commands_reading):
        monkeypatch.setattr(commands, "give_way", lambda: None)  # this process has other tests to run

    def call(*arguments: str) -> Told:
        given = [word.partition("=")[0] for word in arguments]
        here = [] if "--root" in given else ["--root", str(root)]
        there = [] if "--definitions" in given else ["--definitions", str(definitions)]
        code = run([*here, *there, *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call

"""Samples of reads: how many, which, and what becomes of those that do not fit."""

import threading
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from tests.pipelines import Clock, day, declare, frame
from tilefold import Workspace
from tilefold.errors import InputError
from tilefold.serving import sampling as module
from tilefold.serving.sampling import Sampling

VIEW = declare()
USERS = 400


class Told:
    """What a sampler told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.heard = threading.Event()

    def __call__(self, view: str, outcome: str, rows: int) -> None:
        """Count."""
        self.counts[f"{view} {outcome}"] += rows
        self.heard.set()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a workspace of each test is."""
    return tmp_path


def opened(root: Path, online_url: str, sampling: Sampling) -> Workspace:
    """A workspace whose view is served."""
    ws = Workspace(root, [VIEW], online_url, Clock(day(9.5)), f"sampling-{root.name}", sampling=sampling)
    ws.append("events", frame([("u1", 8.5, 7)]))
    ws.materialize("spend", day(9))
    return ws


def read(ws: Workspace, count: int = USERS) -> None:
    """Read so many users."""
    ws.get_features_batch("spend", [{"user": f"u{number}"} for number in range(count)])


def sampled(ws: Workspace) -> pl.DataFrame:
    """The samples that are written."""
    return ws.context("spend").samples.of_day(day(9.5).date())


def test_closing_writes_what_is_left(root: Path, online_url: str) -> None:
    """Every sample of a workspace that was closed is in its table, with the values, statuses and times that were served."""
    with opened(root, online_url, Sampling(rate=1)) as ws:
        read(ws, 2)
        (_, vector) = ws.get_features_batch("spend", [{"user": "u0"}, {"user": "u1"}])
    rows = sampled(ws).filter(pl.col("tf_entity") == "u1")
    assert rows.height == 2
    row = rows.to_dicts()[0]
    assert [row[name.replace(".", "__")] for name in vector.values] == list(vector.values.values())
    assert row["tf_statuses"] == list(vector.statuses.values())
    assert (row["tf_read_us"], row["tf_watermark_us"]) == tuple(int(each.timestamp() * 1e6) for each in (day(9.5), day(9)))


def test_a_share_is_sampled_and_drawn_from_the_seed(root: Path, online_url: str) -> None:
    """Two workspaces with one seed choose the same reads, about the share that was asked for."""
    chosen = []
    for place in ("a", "b"):
        with opened(root / place, online_url, Sampling(rate=0.25, seed=3)) as ws:
            read(ws)
        chosen.append(sampled(ws)["tf_entity"].to_list())
    assert chosen[0] == chosen[1]
    assert 0.15 * USERS < len(chosen[0]) < 0.35 * USERS


def test_what_does_not_fit_is_dropped_and_counted(root: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads go on; the table of the day and whoever counts learn how many samples were lost."""
    monkeypatch.setattr(module, "PENDING_MAX", 10)
    told = Told()
    with opened(root, online_url, Sampling(rate=1, flush_s=3600)) as ws:
        sampler = ws._parts.sampler
        assert sampler is not None
        sampler.tell = told
        read(ws, 15)
    assert sampled(ws).height == 10
    assert ws.context("spend").samples.dropped([day(9.5).date()]) == 5
    assert told.counts == {"spend written": 10, "spend dropped": 5}


def test_a_table_that_cannot_be_written_fails_no_read(root: Path, online_url: str) -> None:
    """A folder in the way of the table: samples are told as dropped, and reads are answered."""
    told = Told()
    with opened(root, online_url, Sampling(rate=1, flush_s=3600)) as ws:
        sampler = ws._parts.sampler
        assert sampler is not None
        sampler.tell = told
        Path(ws.context("spend").uri, "samples").write_text("in the way")
        read(ws, 3)
        sampler.flush()
        read(ws, 1)
    assert +told.counts == {"spend dropped": 4}


def test_enough_samples_are_written_at_once(root: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not wait for the time when many have come."""
    monkeypatch.setattr(module, "FLUSH_ROWS", 5)
    told = Told()
    with opened(root, online_url, Sampling(rate=1, flush_s=3600)) as ws:
        sampler = ws._parts.sampler
        assert sampler is not None
        sampler.tell = told
        read(ws, 6)
        assert told.heard.wait(60)


@pytest.mark.parametrize("given", [{"rate": 1.5}, {"rate": -0.1}, {"rate": 0.5, "keep_days": 0}])
def test_settings_out_of_bounds_are_refused(given: dict[str, float]) -> None:
    """A rate is a share, and samples are kept for a day at least."""
    with pytest.raises(InputError, match="sampling"):
        Sampling(**given)  # type: ignore[arg-type] # floats

"""What the removal of old versions takes away, what it leaves, and that it can be repeated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import DAY, UNITS, Clock, day, declare, frame
from tilefold import Aggregate, TimeWindow, Workspace
from tilefold.serving import removal
from tilefold.stores import view_versions
from tilefold.workspace import Status

ROWS = frame([("a", 0.5, 2), ("a", 2.5, 4), ("b", 2.25, 5)])
SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
OLD = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="max", time_window=DAY)])
NEW = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="sum", time_window=TimeWindow(2 * DAY))])
THIRD = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="count", time_window=DAY)])
A = {"user": "a"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a minute."""
    monkeypatch.setattr(view_versions, "KEPT_MS", 0)
    monkeypatch.setattr(removal, "GRACE_S", 0.0)


def opened(root: Path, url: str, *views: object, name: str = "") -> Workspace:
    """A process of the one workspace of a test."""
    return Workspace(root, list(views), online=url, clock=Clock(day(3.5)), name=name or f"p{root.name}")


@pytest.fixture
def switched(tmp_path: Path, online_url: str) -> Iterator[Workspace]:
    """A workspace that has switched to its new version."""
    with opened(tmp_path, online_url, OLD) as old, opened(tmp_path, online_url, NEW) as new:
        old.append("events", ROWS)
        old.materialize("spend", day(3))
        new.materialize("spend", day(3))
        yield new


def test_all_of_the_old_version_goes(switched: Workspace) -> None:
    """Keys, tables and the kept definition go, and are counted; the served version is as it was."""
    client, folder = switched.online_client(), Path(switched.root, "spend", OLD.version)
    before = switched.get_features("spend", A).values
    assert folder.is_dir()
    report = switched.remove_old_versions("spend")
    (gone,) = report.removed
    assert (gone.version, gone.keys, gone.users) == (OLD.version, 2, ())
    assert gone.size_bytes > 0
    assert report.served == NEW.version
    assert not folder.exists()
    assert list(client.scan_iter(f"{switched.name}:spend:{OLD.version}:*")) == []
    assert list(switched.versions("spend").since_ms) == [NEW.version]
    assert [each.version for each in switched._parts.kept.of("spend")] == [NEW.version]
    assert switched.get_features("spend", A).values == before
    assert switched.remove_old_versions("spend").removed == ()


def test_not_within_a_minute(switched: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was switched away from just now stays, with the reason, and is read as before."""
    monkeypatch.setattr(view_versions, "KEPT_MS", 60_000)
    report = switched.remove_old_versions("spend")
    assert (report.removed, list(report.left)) == ((), [OLD.version])
    assert "a version stays for 60 s" in report.left[OLD.version]
    assert Path(switched.root, "spend", OLD.version).is_dir()


def test_what_is_declared_stays(switched: Workspace, online_url: str) -> None:
    """A version that is being made ready beside the served one is not an old one."""
    with opened(Path(switched.root), online_url, THIRD) as third:
        third.materialize("spend", day(3), switch=False)
        assert [each.version for each in third.remove_old_versions("spend").removed] == [OLD.version]
        assert set(third.versions("spend").since_ms) == {NEW.version, THIRD.version}


def test_who_still_has_the_removed_definition(switched: Workspace, online_url: str) -> None:
    """A process with the removed definition follows the served version, and has no value for what that lacks."""
    with opened(Path(switched.root), online_url, OLD) as old:
        assert old.get_features("spend", A).versions == {"spend": OLD.version}
        switched.remove_old_versions("spend")
        old._parts.marks.forget("spend", OLD.version)
        old._parts.follow("spend")
        found = old.get_features("spend", A)
        assert found.versions == {"spend": NEW.version}
        assert found.statuses["spend.units_sum_1d"] is Status.PRESENT
        assert found.statuses["spend.units_max_1d"] is Status.NOT_READY


def test_killed_in_between(switched: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal that broke off at any of its steps is ended by the next one."""
    versions = switched.online_store.versions
    for step in ("remove_keys", "end_removal"):
        with monkeypatch.context() as patch:

            def broken(*_: object) -> int:
                raise KeyboardInterrupt

            patch.setattr(versions, step, broken)
            with pytest.raises(KeyboardInterrupt):
                switched.remove_old_versions("spend")
        assert OLD.version in versions.of("spend").since_ms
        assert OLD.version not in versions.of("spend").standing
    assert [each.version for each in switched.remove_old_versions("spend").removed] == [OLD.version]
    assert list(versions.of("spend").since_ms) == [NEW.version]


def test_tables_that_another_workspace_has_use_of(switched: Workspace, online_url: str) -> None:
    """Workspaces of one root share the tables of a version: they stay as long as one of them keeps it."""
    root = Path(switched.root)
    with opened(root, online_url, OLD, name=f"{switched.name}-other") as other:
        other.materialize("spend", day(3))
        (gone,) = switched.remove_old_versions("spend").removed
        assert (gone.users, gone.size_bytes) == ((other.name,), 0)
        assert Path(root, "spend", OLD.version).is_dir()
        assert other.get_features("spend", A).values == {"spend.units_sum_1d": 4, "spend.units_max_1d": 4}


def test_an_old_version_forgets_too(switched: Workspace) -> None:
    """An entity that is forgotten leaves every version that is kept, also the one that is not served any more."""
    report = switched.forget("spend", A)
    assert {each.version for each in report.views} == {OLD.version, NEW.version}
    assert {(each.parts, each.online) for each in report.views} == {(1, 1)}
    assert report.left == ()

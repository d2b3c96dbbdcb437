"""A process that folds a stream into versions of its views that come up beside them."""

from pathlib import Path

import pytest

from tests.streams import opened, record, source
from tests.versions import NAMES, WATERMARK, declare_new, declare_old, wanted
from tilefold import Workspace

OLD, NEW = declare_old(source()), declare_new(source())


def push(ws: Workspace, *numbers: int) -> None:
    """Events of one user."""
    for number in numbers:
        ws.ingest("pushed", [record("u", 9.25, number, f"e{number}")])


@pytest.mark.parametrize("asks_between", [False, True])
def test_a_version_that_comes_up(tmp_path: Path, online_url: str, stream_url: str, *, asks_between: bool) -> None:
    """What is pushed through a process with old definitions is in the new version too, whoever asked for versions between."""
    with (
        opened(tmp_path, online_url, stream_url, OLD) as old,
        opened(tmp_path, online_url, stream_url, NEW, name=old.name) as new,
    ):
        push(old, 1)
        old.materialize("spend", WATERMARK)
        new.materialize("spend", WATERMARK, switch=False)
        if asks_between:
            old.stream_standing("pushed")
        push(old, 2, 3)
        new.switch("spend")
        found = new.get_features("spend", {"user": "u"}).values
        assert tuple(found[f"spend.{name}"] for name in NAMES) == wanted(3, 1000)
        assert {view.target.version for view in old.stream_desk("pushed").writer.views} == {OLD.version, NEW.version}
        assert all(view.places is not None for view in old.stream_desk("pushed").writer.views)


def test_what_holds_the_log_back(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """The log is kept for what is served and what is made ready; not for a version that was switched away from."""
    with (
        opened(tmp_path, online_url, stream_url, OLD) as old,
        opened(tmp_path, online_url, stream_url, NEW, name=old.name) as new,
    ):
        push(old, 1)
        old.materialize("spend", WATERMARK)
        new.materialize("spend", WATERMARK, switch=False)
        beside = new.stream_desk("pushed")._beside
        assert beside is not None
        beside.look()
        assert list(beside.held) == [("spend", OLD.version)]
        new.switch("spend")
        beside.look()
        assert list(beside.held) == []
        assert [target.version for target in beside.targets] == [OLD.version], "it is written as long as it stands"

"""A process killed while it makes a changed view ready, or switches it: reads go on, and a repeat ends it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kill.test_kills import REPOSITORY
from tests.streams import opened, record, source
from tests.versions import NAMES, WATERMARK, declare_new, declare_old, wanted
from tilefold import Workspace

OLD, NEW = declare_old(source()), declare_new(source())
POINTS = [
    ("KeptViews", "keep", "after"),
    ("TileTable", "replace_days", "after"),
    ("CompactedTable", "write", "after"),
    ("StreamParts", "begin_seed", "after"),
    ("StreamParts", "seed", "after"),
    ("OnlineStore", "write_parts", "after"),
    ("OnlineStore", "commit", "after"),
    ("ViewVersions", "switch", "before"),
    ("ViewVersions", "switch", "after"),
]


def values(ws: Workspace) -> tuple[str, tuple[object, ...]]:
    """Which version answers, and with what."""
    found = ws.get_features("spend", {"user": "u"})
    return found.versions["spend"], tuple(found.values[f"spend.{name}"] for name in NAMES)


@pytest.mark.parametrize(("owner", "method", "when"), POINTS)
def test_killed(tmp_path: Path, online_url: str, stream_url: str, owner: str, method: str, when: str) -> None:
    """Wherever it dies, reads and events go on in another process; made again, the new version is right and served."""
    with opened(tmp_path, online_url, stream_url, OLD) as old:

        def push(number: int) -> None:
            old.ingest("pushed", [record("u", 8.25 if number < 3 else 9.25, number, f"e{number}")])

        for number in (1, 2, 3):
            push(number)
        old.materialize("spend", WATERMARK)
        push(4)
        given = [str(tmp_path), online_url, stream_url, old.name, owner, method, when]
        with subprocess.Popen([sys.executable, "-m", "tests.kill.switch_child", *given], cwd=REPOSITORY) as child:
            assert child.wait(120) == -signal.SIGKILL
        done = (method, when) == ("switch", "after")
        old._parts.follow("spend")
        scales = {OLD.version: 1, NEW.version: 1000}
        for number in (4, 5):
            push(number)
            version, found = values(old)
            assert (version, found) == (NEW.version if done else OLD.version, wanted_of(number, scales[version]))
        with opened(tmp_path, online_url, stream_url, NEW, name=old.name) as new:
            assert values(new)[1] == wanted_of(5, 1000 if done else 1)
            new.materialize("spend", WATERMARK)
            assert values(new) == (NEW.version, wanted_of(5, 1000))
            new.ingest("pushed", [record("u", 9.25, 6, "e6")])
            old._parts.follow("spend")
            assert values(new) == values(old) == (NEW.version, wanted_of(6, 1000))


def wanted_of(count: int, scale: int) -> tuple[object, ...]:
    """Events 1 and 2 lie a day before the others: within the longest window alone."""
    total = wanted(count, scale)[0] - wanted(2, scale)[0]
    return total, count - 2, wanted(count, scale)[0]

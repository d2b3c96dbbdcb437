"""A changed view in Dagster: a run makes it ready, its checks pass, and only then reads are answered with it."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build_definitions
from orchestration.jobs import due_together
from orchestration.partitions import partitioning_of
from resources import WorkspaceResource
from tests.dagster.shopping import DAYS, DEFINITIONS, SPEND, Shop, metadata_of, write_purchases
from tilefold.serving.definitions import load_definitions

ALL = (*SPEND, "user_spend/served")


@pytest.fixture
def changing(tmp_path: Path) -> Shop:
    """The shop, with definitions of its own, brought to its fourth day."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text((DEFINITIONS / "shop.py").read_text())
    write_purchases(tmp_path / "data")
    shop = Shop(tmp_path / "data")
    loaded(shop, folder)
    assert shop.run(["purchases/event_log"], DAYS[0], DAYS[4]).success
    return shop


def loaded(shop: Shop, folder: Path) -> None:
    """Load the definitions of a folder as they are now, as a code location does when it is loaded again."""
    shop.resource = WorkspaceResource(root=str(shop.root), definitions=str(folder))
    shop.definitions = build_definitions(load_definitions(str(folder)), shop.resource)


def change(shop: Shop, folder: Path) -> None:
    """Halve all amounts of one view."""
    path = folder / "shop.py"
    text = path.read_text()
    place = text.index("def user_spend")
    at = text.index("return ", place)
    path.write_text(text[:at] + "purchases = purchases.with_columns(amount=pl.col('amount') / 2)\n    " + text[at:])
    loaded(shop, folder)


def total(shop: Shop) -> tuple[str, object]:
    """Which version answers, and one of its values."""
    with shop.open() as ws:
        found = ws.get_features("user_spend", {"user_id": "u1"})
        name = next(name for name in found.values if "amount_sum" in name)
        return found.versions["user_spend"], found.values[name]


def test_a_changed_view_is_switched_by_its_run(changing: Shop, tmp_path: Path) -> None:
    """A run over the steps of a changed view serves the new version at its end, and tells the old one and when."""
    assert changing.run(ALL, DAYS[3]).success
    before = total(changing)
    change(changing, tmp_path / "shop")
    beside = changing.run(SPEND, DAYS[3])
    assert beside.success
    facts = metadata_of(beside, "user_spend/online")[DAYS[3]]
    assert (facts["served_version"], facts["version"] != before[0]) == (before[0], True)
    assert total(changing) == before, "until the switch the old version answers"
    switched = changing.run(["user_spend/served"], DAYS[3])
    told = metadata_of(switched, "user_spend/served")[DAYS[3]]
    assert (told["status"], told["version_before"], told["served_version"]) == ("switched", before[0], facts["version"])
    assert str(told["switched_at"])[:2] == "20"
    version, value = total(changing)
    assert (version, value) == (facts["version"], before[1] / 2)  # type: ignore[operator] # a number


def test_a_wrong_version_is_not_served(changing: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a check of the new version's values fails, the run ends there and the old version goes on being served."""
    assert changing.run(ALL, DAYS[3]).success
    before = total(changing)
    change(changing, tmp_path / "shop")
    broken = lambda *_: type("Audit", (), {"keys": 1, "values": 1, "wrong": ["one"], "current": True})()  # noqa: E731
    monkeypatch.setattr("assets.checks._sample", broken)
    assert not changing.run(ALL, DAYS[3]).success
    assert total(changing) == before


def test_old_definitions_do_not_undo_a_switch(changing: Shop, tmp_path: Path) -> None:
    """A code location that still has the old definitions goes on with its runs, and the new version with being served."""
    assert changing.run(ALL, DAYS[3]).success
    change(changing, tmp_path / "shop")
    assert changing.run(ALL, DAYS[3]).success
    served = total(changing)
    loaded(changing, DEFINITIONS)
    again = changing.run(["user_spend/served"], DAYS[3])
    assert again.success
    assert "it was switched away from" in str(metadata_of(again, "user_spend/served")[DAYS[3]]["status"])
    assert total(changing) == served


def test_the_schedule_serves_what_it_makes() -> None:
    """Every job that syncs a view serves it in the same run, of the same partition."""
    declared = load_definitions(str(DEFINITIONS))
    for due in due_together(declared, partitioning_of(declared)):
        for key in due.assets:
            if key.path[-1] == "online":
                assert dg.AssetKey([key.path[0], "served"]) in due.assets

"""Assets and checks of a stream view: the same as of a batch view, over what was pushed."""

from collections.abc import Iterator, Mapping

import dagster as dg
import pytest

from tests.dagster.clicking import ALL, click, counted, partition, push
from tests.dagster.shopping import Shop, metadata_of
from tilefold import Workspace

ONLINE = dg.AssetKey(["user_clicks", "online"])


@pytest.fixture
def ws(shop: Shop) -> Iterator[Workspace]:
    """The shop's workspace, beside Dagster, with clicks of nine days and of today."""
    with shop.open() as opened:
        opened.open_streams()
        push(opened, [click(f"u{user}", number + 0.5, f"p{number}") for number in range(9) for user in range(5)])
        push(opened, [click(f"u{user}", -0.000001) for user in range(5)])
        yield opened


def verdicts(result: dg.ExecuteInProcessResult) -> Mapping[str, dg.AssetCheckEvaluation]:
    """What the checks of the online store said."""
    return {each.check_name: each for each in result.get_asset_check_evaluations() if each.asset_key == ONLINE}


def test_a_compaction_takes_over_without_a_jump(shop: Shop, ws: Workspace) -> None:
    """A run of the newest day drains, compacts as of the last midnight and serves it; reads say what they said before."""
    before = counted(ws)
    result = shop.run(ALL, partition(1))
    assert result.success
    assert (before, counted(ws)) == (10, 10)
    assert metadata_of(result, "user_clicks/compacted")[partition(1)]["events"] == 45
    assert metadata_of(result, "user_clicks/online")[partition(1)]["status"] == "committed"


def test_what_is_served_is_compared_with_raw_events(shop: Shop, ws: Workspace) -> None:
    """After a sync the checks pass, on values of batch and stream parts; a key that lost its stream part fails them."""
    passed = verdicts(shop.run(ALL, partition(1)))
    assert {name: each.passed for name, each in passed.items()} == {
        "served_values_were_right": True,
        "stamps_not_ahead": True,
        "sample_equals_reference": True,
        "watermark_is_fresh": True,
    }
    assert passed["sample_equals_reference"].metadata["values"].value == 5 * 3
    ws.online_client().hdel(ws.online_key("user_clicks", {"user_id": "u3"}), "s")
    failed = verdicts(shop.select(dg.AssetSelection.checks_for_assets(ONLINE)))["sample_equals_reference"]
    assert not failed.passed
    assert any("'u3'" in text for text in failed.metadata["wrong"].value)


def test_before_its_first_compaction_it_is_served_from_the_stream(shop: Shop, ws: Workspace) -> None:
    """A view that takes the stream from the first event on is ready, and its checks say so."""
    found = verdicts(shop.select(dg.AssetSelection.checks_for_assets(ONLINE)))
    assert all(each.passed for each in found.values())
    assert found["watermark_is_fresh"].description == "Served from its stream alone; nothing is compacted yet."
    assert counted(ws) == 10


def test_a_range_of_days_is_compacted_and_the_newest_served(shop: Shop, ws: Workspace) -> None:
    """A backfill of pushed days is one run; each day has its own compaction, and what is served stays right."""
    result = shop.run(ALL, partition(9), partition(1))
    assert result.success
    events = {day: facts["events"] for day, facts in metadata_of(result, "user_clicks/compacted").items()}
    assert events == {partition(10 - number): 5 * number for number in range(1, 10)}
    assert verdicts(result)["sample_equals_reference"].passed
    assert counted(ws) == 10

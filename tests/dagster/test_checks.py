"""Checks of a single partition: what they find, and what they stop."""

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from tests.dagster.shop.shop import START
from tests.dagster.shopping import DAYS, DEFINITIONS, SPEND, Shop, append_late, lose_rows, mark_of
from tilefold.engine.mark import Mark
from tilefold.serving.sampling import Sampling
from tilefold.workspace import Workspace

LOG = "purchases/event_log"
TILES, COMPACTED, ONLINE = SPEND


def evaluations(result: dg.ExecuteInProcessResult) -> Mapping[tuple[str, str], dg.AssetCheckEvaluation]:
    """What a run's checks said, by asset and name."""
    return {(each.asset_key.to_user_string(), each.check_name): each for each in result.get_asset_check_evaluations()}


def serve(shop: Shop) -> dg.ExecuteInProcessResult:
    """Bring the fourth day online."""
    return shop.run((LOG, *SPEND), DAYS[3])


@dg.asset(deps=[dg.AssetKey(ONLINE.split("/"))])
def scores() -> None:
    """What somebody builds on served features."""


def check_online(shop: Shop) -> Mapping[tuple[str, str], dg.AssetCheckEvaluation]:
    """What the checks say of what is served now, with nothing materialized before them."""
    checks = dg.AssetSelection.checks_for_assets(dg.AssetKey(ONLINE.split("/")))
    return evaluations(shop.select(checks))


def test_every_check_passes_but_the_one_of_age(shop: Shop) -> None:
    """On data of 2024 all checks pass; that it is old is a warning."""
    found = evaluations(serve(shop))
    assert {key: each.passed for key, each in found.items()} == {
        (TILES, "events_conserved"): True,
        (COMPACTED, "events_conserved"): True,
        (ONLINE, "stamps_not_ahead"): True,
        (ONLINE, "sample_equals_reference"): True,
        (ONLINE, "watermark_is_fresh"): False,
        (ONLINE, "served_values_were_right"): True,
    }
    assert found[ONLINE, "watermark_is_fresh"].severity is dg.AssetCheckSeverity.WARN
    assert found[TILES, "events_conserved"].partition == DAYS[3]
    assert found[ONLINE, "sample_equals_reference"].metadata["values"].value > 0


def test_a_compaction_that_lost_a_key_is_not_served(shop: Shop) -> None:
    """The check of a compaction blocks: what is served stays as it was, and the run says how many events are missing."""
    assert shop.run((LOG, TILES, COMPACTED), DAYS[3]).success
    lose_rows(shop, "compacted", "tf_as_of_us=")
    result = shop.select(
        dg.AssetSelection.assets(dg.AssetKey(ONLINE.split("/")))
        | dg.AssetSelection.checks_for_assets(dg.AssetKey(COMPACTED.split("/"))),
        DAYS[3],
    )
    found = evaluations(result)[COMPACTED, "events_conserved"]
    assert not found.passed
    assert found.metadata["found"].value < found.metadata["expected"].value
    assert mark_of(shop) is None


def test_a_wrong_value_is_named(shop: Shop) -> None:
    """Where a key's part is another's, the check by the reference says which feature of which key is wrong."""
    serve(shop)
    with shop.open() as ws:
        one, other = (ws.online_key("user_spend", {"user_id": f"u{number}"}) for number in (1, 2))
        for number in range(12):
            client, key = ws.online_client(), ws.online_key("user_spend", {"user_id": f"u{number}"})
            client.hset(key, "b", client.hget(one if number % 2 else other, "b"))
    found = check_online(shop)[ONLINE, "sample_equals_reference"]
    assert not found.passed
    assert any("amount_sum_3d is" in text for text in found.metadata["wrong"].value)


def test_nothing_is_built_on_a_wrong_value(shop: Shop) -> None:
    """An asset that reads what is served waits for its checks: it runs after they pass, and not after one fails."""
    serve(shop)
    chosen = dg.AssetSelection.checks_for_assets(dg.AssetKey(ONLINE.split("/"))) | dg.AssetSelection.assets(scores)
    right = shop.select(chosen, more=[scores])
    with shop.open() as ws:
        client, key = ws.online_client(), ws.online_key("user_spend", {"user_id": "u1"})
        for number in range(12):
            part = client.hget(key, "b")
            assert isinstance(part, bytes)
            client.hset(ws.online_key("user_spend", {"user_id": f"u{number}"}), "b", part)
    wrong = shop.select(chosen, more=[scores])
    assert [result.success for result in (right, wrong)] == [True, False]
    assert [len(result.asset_materializations_for_node("scores")) for result in (right, wrong)] == [1, 0]


def test_a_stamp_ahead_of_the_mark_is_named(shop: Shop) -> None:
    """A key that claims a compaction which was never synced is found."""
    serve(shop)
    mark = mark_of(shop)
    assert mark is not None
    with shop.open() as ws:
        client, key = ws.online_client(), ws.online_key("user_spend", {"user_id": "u1"})
        part = client.hget(key, "b")
        assert isinstance(part, bytes)
        client.hset(key, "b", part.replace(mark.to_bytes(), Mark(mark.watermark_us, mark.epoch + 1).to_bytes()))
    found = check_online(shop)[ONLINE, "stamps_not_ahead"]
    assert not found.passed
    assert found.metadata["ahead"].value == [key.decode()]


def test_the_newest_day_is_fresh(shop: Shop) -> None:
    """Once yesterday is served, the check of age passes."""
    definition = shop.definitions.resolve_asset_graph().get(dg.AssetKey(ONLINE.split("/"))).partitions_def
    assert isinstance(definition, dg.DailyPartitionsDefinition)
    yesterday = definition.get_last_partition_key()
    assert yesterday is not None
    result = shop.run((LOG, *SPEND), yesterday)
    assert evaluations(result)[ONLINE, "watermark_is_fresh"].passed
    assert result.success


def test_appended_events_make_checks_wait(shop: Shop) -> None:
    """Events that came after a day was built are not held against it."""
    serve(shop)
    append_late(shop, DAYS[3])
    found = check_online(shop)[ONLINE, "sample_equals_reference"]
    assert found.passed
    assert found.description == "Not compared: nothing is served, or events have come that are not served yet."


def test_a_wrong_value_that_was_served_is_found(shop: Shop) -> None:
    """The check of sampled reads names the entity, the feature, what was served and what should have been, by feature."""
    serve(shop)
    with Workspace(shop.root, str(DEFINITIONS), sampling=Sampling(rate=1)) as ws:
        ws.get_features_batch("user_spend", [{"user_id": f"u{number}"} for number in range(12)], at=START + timedelta(days=4))
    right = check_online(shop)[ONLINE, "served_values_were_right"]
    assert (right.passed, right.metadata["samples"].value) == (True, 12)
    with Workspace(shop.root, str(DEFINITIONS), sampling=Sampling(rate=1)) as ws:
        client, keys = ws.online_client(), [ws.online_key("user_spend", {"user_id": user}) for user in ("u1", "u2")]
        client.hset(keys[0], "b", client.hget(keys[1], "b"))
        ws.get_features("user_spend", {"user_id": "u1"}, at=START + timedelta(days=4))
    wrong = check_online(shop)[ONLINE, "served_values_were_right"]
    assert not wrong.passed
    assert any(text.startswith("u1 at 2024-01-05") for text in wrong.metadata["examples"].value)
    assert "| amount_sum_3d | 12 | 0 | 0 | 0 | 1 |" in wrong.metadata["features"].value
    assert "█" in wrong.metadata["mismatches_by_hour"].value

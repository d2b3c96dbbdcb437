"""Ranges of partitions: one run per asset, one report per partition, and what a range may not touch."""

import dagster as dg

from tests.dagster.shopping import (
    DAYS,
    PER_DAY,
    SPEND,
    Shop,
    append_late,
    lose_rows,
    mark_of,
    metadata_of,
    stored,
    write_purchases,
)

LOG = "purchases/event_log"
ALL = (LOG, *SPEND)
TILES, COMPACTED, ONLINE = SPEND


def verdicts(shop: Shop, asset: str, day: str, run: str) -> list[bool | None]:
    """Whether the conservation check of a partition passed in a run, for each time that it was reported."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    events = [entry.dagster_event for entry in shop.instance.all_logs(run, of_type=kind) if entry.dagster_event]
    found = [event.asset_check_evaluation_data for event in events]
    key = dg.AssetKey(asset.split("/"))
    return [each.passed for each in found if (each.asset_key, each.partition) == (key, day)]


def test_a_range_is_one_step_per_asset(shop: Shop) -> None:
    """A range of six days is one run in which each asset's body runs once."""
    result = shop.run(ALL, DAYS[0], DAYS[5])
    assert result.success
    bodies = [event.step_key for event in result.get_step_success_events() if "events_conserved" not in str(event.step_key)]
    assert [bodies.count(name.replace("/", "__")) for name in ALL] == [1, 1, 1, 1]


def test_every_partition_of_a_range_has_its_own_metadata(shop: Shop) -> None:
    """Each day of a range reports its own numbers, not those of the run."""
    result = shop.run(ALL, DAYS[0], DAYS[5])
    logged, compacted = metadata_of(result, LOG), metadata_of(result, COMPACTED)
    assert {day: facts["events"] for day, facts in logged.items()} == dict.fromkeys(DAYS[:6], PER_DAY)
    assert list(metadata_of(result, TILES)) == DAYS[:6]
    assert [compacted[day]["as_of"][:10] for day in DAYS[:6]] == DAYS[1:7]
    assert len({compacted[day]["events"] for day in DAYS[:6]}) == 6


def test_every_partition_of_a_range_has_its_own_check_result(shop: Shop) -> None:
    """Each day of a range has one passed result of the conservation checks."""
    result = shop.run(ALL, DAYS[0], DAYS[5])
    found = {(asset, day): verdicts(shop, asset, day, result.run_id) for asset in (TILES, COMPACTED) for day in DAYS[:6]}
    assert found == {(asset, day): [True] for asset in (TILES, COMPACTED) for day in DAYS[:6]}


def test_a_range_serves_its_newest_day_alone(shop: Shop) -> None:
    """Of a range the last day is synced; the days before it say what supersedes them."""
    facts = metadata_of(shop.run(ALL, DAYS[0], DAYS[5]), ONLINE)
    assert {facts[day]["status"] for day in DAYS[:5]} == {"superseded by 2024-01-07T00:00:00+00:00"}
    assert facts[DAYS[5]]["keys_written"] > 0


def test_a_past_range_does_not_touch_what_is_served(shop: Shop) -> None:
    """A range before the served day leaves the online store's mark and values as they are."""
    shop.run(ALL, DAYS[0], DAYS[5])
    before = mark_of(shop)
    with shop.open() as ws:
        served = ws.get_features("user_spend", {"user_id": "u1"})
    assert shop.run(ALL, DAYS[1], DAYS[3]).success
    assert before is not None
    assert mark_of(shop) == before
    with shop.open() as ws:
        assert ws.get_features("user_spend", {"user_id": "u1"}).values == served.values


def test_a_past_range_rebuilds_tiles_and_writes_nothing_online(shop: Shop) -> None:
    """A late event's day is built again by a backfill of the past, while the online store keeps every byte."""
    shop.run(ALL, DAYS[0], DAYS[5])
    before = stored(shop)
    append_late(shop, DAYS[2])
    result = shop.run(ALL, DAYS[1], DAYS[3])
    assert result.success
    built, online = metadata_of(result, TILES), metadata_of(result, ONLINE)
    assert {day: facts["rebuilt"] for day, facts in built.items()} == {day: day == DAYS[2] for day in DAYS[1:4]}
    assert {facts["status"] for facts in online.values()} == {"superseded by 2024-01-07T00:00:00+00:00"}
    assert before
    assert stored(shop) == before


def test_each_compaction_of_a_range_starts_from_the_one_before(shop: Shop) -> None:
    """In a range every day after the first names the day before it as its predecessor, all of one barrier."""
    facts = metadata_of(shop.run(ALL, DAYS[0], DAYS[5]), COMPACTED)
    assert [facts[day]["predecessor"] for day in DAYS[:6]] == [
        "none",
        *(f"as of {day}T00:00:00+00:00, epoch 1" for day in DAYS[1:6]),
    ]


def test_any_past_day_can_be_compacted_alone_or_in_a_range(shop: Shop) -> None:
    """A day compacted long after it, alone or in a range, holds what it held when it was the newest."""
    shop.run(ALL, DAYS[0], DAYS[5])
    first = metadata_of(shop.run([COMPACTED], DAYS[2]), COMPACTED)[DAYS[2]]
    shop.run([COMPACTED], DAYS[7])
    again = metadata_of(shop.run([COMPACTED], DAYS[1], DAYS[3]), COMPACTED)[DAYS[2]]
    fresh = Shop(shop.root.with_name("fresh"))
    write_purchases(fresh.root)
    newest = metadata_of(fresh.run(ALL, DAYS[2]), COMPACTED)[DAYS[2]]
    held = ("as_of", "keys", "events", "tiles_before", "tiles_after", "size_bytes")
    assert [{name: facts[name] for name in held} for facts in (first, again)] == [{name: newest[name] for name in held}] * 2


def test_tampered_tiles_stop_a_range(shop: Shop) -> None:
    """Where a day's tiles lost an event the blocking check fails for that day alone, and nothing is compacted or served."""
    assert shop.run((LOG, TILES), DAYS[0], DAYS[5]).success
    lose_rows(shop, "tiles", f"tf_date={DAYS[2]}")
    result = shop.run(SPEND, DAYS[0], DAYS[5])
    assert not result.success
    assert [verdicts(shop, TILES, day, result.run_id) for day in DAYS[:6]] == [[day != DAYS[2]] for day in DAYS[:6]]
    assert metadata_of(result, COMPACTED) == {}
    assert metadata_of(result, ONLINE) == {}
    assert mark_of(shop) is None

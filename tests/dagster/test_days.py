"""One partition at a time: from the file to what is served."""

from datetime import UTC, datetime

from tests.dagster.shopping import DAYS, PER_DAY, SPEND, Shop, metadata_of

ALL = ("purchases/event_log", *SPEND)


def test_a_day_is_served_as_of_its_end(shop: Shop) -> None:
    """After a run of partition D, reads are as of the end of D, and count what lies before it."""
    result = shop.run(ALL, DAYS[3])
    assert result.success
    with shop.open() as ws:
        vector = ws.get_features("user_spend", {"user_id": "u1"})
        assert set(vector.effective_times.values()) == {datetime(2024, 1, 5, tzinfo=UTC)}
        assert vector.values["user_spend.purchases_1d"] > 0
    assert metadata_of(result, "user_spend/online")[DAYS[3]]["as_of"] == "2024-01-05T00:00:00+00:00"


def test_a_first_day_brings_the_days_before_it(shop: Shop) -> None:
    """A run of a single day on an empty log imports what lies before it: no value is served from half of its window."""
    result = shop.run(ALL, DAYS[3])
    facts = metadata_of(result, "purchases/event_log")[DAYS[3]]
    assert (facts["events"], facts["run_events_accepted"], facts["run_days_changed"]) == (PER_DAY, 4 * PER_DAY, 4)
    assert metadata_of(result, "user_spend/compacted")[DAYS[3]]["days_rebuilt"] == 3


def test_a_day_after_a_gap_brings_the_gap(shop: Shop) -> None:
    """Days that were never run are imported with the next one that is."""
    shop.run(ALL, DAYS[0])
    result = shop.run(ALL, DAYS[4])
    assert metadata_of(result, "purchases/event_log")[DAYS[4]]["run_events_accepted"] == 4 * PER_DAY

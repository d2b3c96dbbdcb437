"""What reads over HTTP say: values, statuses, times, services over several views, batches, options."""

from typing import Any

import httpx
import pytest

from tests.pipelines import day
from tests.server.servers import BATCH, GET, params, rows
from tilefold import Workspace

ALL = {
    f"include{each}": True
    for each in ("Names", "DataTypes", "EffectiveTimes", "SloInfo", "ServingStatus", "FeatureDescriptions", "FeatureTags")
}


def asked(client: httpx.Client, body: dict[str, Any], path: str = GET) -> dict[str, Any]:
    """The answer, which must be one."""
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def statuses(said: dict[str, Any]) -> list[Any]:
    """Of each feature."""
    return [feature["status"] for feature in said["metadata"]["features"]]


def test_nothing_is_null_that_is_an_object(client: httpx.Client) -> None:
    """Without options there is no `metadata` at all, and `result` holds nothing but `features`."""
    said = asked(client, params("spend", {"user": "ann"}, metadataOptions={}, requestOptions={}))
    assert said == {"result": {"features": ["3", "16", 4.0, "l4", ["7", "9"], ["l2", "l4"]]}}


def test_an_unknown_entity(client: httpx.Client) -> None:
    """It has counts of 0 and empty lists, and every status is MISSING_DATA."""
    said = asked(client, params("spend", {"user": "nobody"}, metadataOptions={"includeServingStatus": True}))
    assert said["result"]["features"] == ["0", None, None, None, [], []]
    assert set(statuses(said)) == {"MISSING_DATA"}
    assert set(said["metadata"]["features"][0]) == {"status"}


def test_overflow(client: httpx.Client) -> None:
    """A sum that does not fit is null, of UNKNOWN_STATUS, and a reason why no service level holds."""
    said = asked(client, params("spend", {"user": "bob"}, metadataOptions=ALL))
    assert said["result"]["features"][1] is None
    assert statuses(said)[1] == "UNKNOWN_STATUS"
    assert said["metadata"]["sloInfo"]["sloEligible"] is False
    assert said["metadata"]["sloInfo"]["sloIneligibilityReasons"] == ["OVERFLOW: spend"]


def test_nan(client: httpx.Client) -> None:
    """A value that is not a number is the text NaN, beside others that are as ever."""
    said = asked(client, params("spend", {"user": "cat"}))
    assert said["result"]["features"] == ["1", "1", "NaN", "l1", ["1"], ["l1"]]


def test_a_replayed_time(client: httpx.Client) -> None:
    """`highWatermarkOverride` sets the read time: a stream view's window then ends there."""
    for time, units in (("2024-01-04T12:00:00Z", "4"), ("2024-01-04T11:00:00+02:00", None)):
        said = asked(client, params("clicks", {"user": "ann"}, requestOptions={"highWatermarkOverride": time}))
        assert said["result"]["features"][0] == units


def test_stale(client: httpx.Client) -> None:
    """A stale value is PRESENT with a reason, and STALE where the request asks with `reportStale`."""
    late = {"highWatermarkOverride": "2024-02-04T00:00:00Z"}
    said = asked(client, params("spend", {"user": "ann"}, metadataOptions=ALL, requestOptions=late))
    assert set(statuses(said)) == {"PRESENT"}
    assert said["metadata"]["sloInfo"]["sloEligible"] is False
    assert said["metadata"]["sloInfo"]["sloIneligibilityReasons"] == ["STALE: spend"]
    told = asked(client, params("spend", {"user": "ann"}, metadataOptions=ALL, requestOptions=late | {"reportStale": True}))
    assert set(statuses(told)) == {"STALE"}
    assert told["result"] == said["result"]


def test_a_view_by_itself(client: httpx.Client, shop: Workspace) -> None:
    """A view may be read by its name, as in process."""
    said = asked(client, params("clicks", {"user": "ann"}))
    assert said["result"]["features"] == ["4", "1"]
    assert shop.get_features("clicks", {"user": "ann"}).values == {"clicks.units_sum_1d": 4, "clicks.units_count_1d": 1}


def test_batch(client: httpx.Client, shop: Workspace) -> None:
    """1,000 entities in one request, in the order asked, each as a read in process; metadata by row."""
    users = ["ann", "bob", *(f"u{number}" for number in range(998))]
    keys = [{"user": user, "shop": 1} for user in users]
    said = asked(client, rows("both", keys, metadataOptions=ALL), BATCH)
    vectors = shop.get_features_batch("both", keys)
    wanted = [[None if each is None else str(each) for each in vector.values.values()] for vector in vectors]
    assert [row["features"] for row in said["result"]] == wanted
    told = said["metadata"]["features"]
    assert told[0]["status"][:3] == ["PRESENT", "UNKNOWN_STATUS", "MISSING_DATA"]
    assert [len(feature["status"]) for feature in told] == [1000] * 3
    assert told[0]["effectiveTime"][0] == "2024-01-04T00:00:00Z"
    assert [len(said["metadata"]["sloInfo"]), set(said["metadata"]["sloInfo"][0])] == [
        1000,
        set(said["metadata"]["batchSloInfo"]),
    ]
    assert said["metadata"]["batchSloInfo"]["storeResponseSizeBytes"] == sum(
        row["storeResponseSizeBytes"] for row in said["metadata"]["sloInfo"]
    )


def test_an_empty_batch(client: httpx.Client) -> None:
    """No rows, no results."""
    assert asked(client, rows("spend", []), BATCH) == {"result": []}


def test_the_cache(client: httpx.Client, shop: Workspace) -> None:
    """A row that one request put there is what the next one gets, with CACHED_ statuses; others read the store."""
    wanted = {"includeServingStatus": True}
    before = asked(client, params("clicks", {"user": "cara"}, requestOptions={"writeToCache": True}, metadataOptions=wanted))
    shop.ingest("pushed", [{"user": "cara", "at": day(3.45), "units": 8}], wait_for="visible")
    cached = asked(client, params("clicks", {"user": "cara"}, requestOptions={"readFromCache": True}, metadataOptions=wanted))
    fresh = asked(client, params("clicks", {"user": "cara"}, metadataOptions=wanted))
    assert (before["result"]["features"], statuses(before)) == ([None, "0"], ["MISSING_DATA"] * 2)
    assert (cached["result"]["features"], statuses(cached)) == ([None, "0"], ["CACHED_MISSING_DATA"] * 2)
    assert (fresh["result"]["features"], statuses(fresh)) == (["8", "1"], ["PRESENT"] * 2)


@pytest.mark.parametrize("edge", ["WALL_CLOCK", "wall_clock", "AGGREGATION_LEADING_EDGE_WALL_CLOCK"])
def test_wall_clock(client: httpx.Client, edge: str) -> None:
    """A view that ends at the read time may be asked to."""
    said = asked(client, params("clicks", {"user": "ann"}, requestOptions={"aggregationLeadingEdge": edge}))
    assert said["result"]["features"] == ["4", "1"]


def test_unknown_fields_are_passed_over(client: httpx.Client) -> None:
    """What the contract does not know does not matter."""
    said = asked(client, params("spend", {"user": "ann"}, somethingNew={"a": 1}) | {"more": 1})
    assert said["result"]["features"][1] == "16"

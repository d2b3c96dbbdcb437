"""The public clients of PyPI against a real server, unchanged."""

import asyncio

import httpx
import pytest
from tecton_client import AsyncTectonClient, MetadataOptions, RequestOptions, TectonClient
from tecton_client.exceptions import BadRequestError, NotFoundError

from tests.pipelines import day
from tilefold import Workspace

FEATURES = {
    "spend.count_3d": 3,
    "spend.units_sum_3d": 16,
    "spend.amount_mean_3d": 4.0,
    "spend.label_last_3d": "l4",
    "spend.units_first_2_3d": [7, 9],
    "spend.label_last_distinct_2_3d": ["l2", "l4"],
}


@pytest.fixture
def tecton(client: httpx.Client) -> TectonClient:
    """The client as its documentation makes it."""
    return TectonClient(url=str(client.base_url), api_key="any", default_workspace_name="prod")


def test_features_as_a_dict(tecton: TectonClient) -> None:
    """With names and types asked for, `get_features_dict` gives every feature in its own type."""
    options = MetadataOptions(include_names=True, include_data_types=True)
    answer = tecton.get_features(feature_service_name="spend", join_key_map={"user": "ann"}, metadata_options=options)
    assert answer.get_features_dict() == FEATURES
    assert answer.slo_info is None


def test_features_alone(tecton: TectonClient) -> None:
    """Without options the answer is the list of values: integers as text, in the declared order, no metadata."""
    answer = tecton.get_features(feature_service_name="spend", join_key_map={"user": "ann"})
    assert answer.result.features == ["3", "16", 4.0, "l4", ["7", "9"], ["l2", "l4"]]
    assert answer.metadata is None


def test_all_metadata(tecton: TectonClient) -> None:
    """All that the client can ask for is there, of each feature and of the request."""
    answer = tecton.get_features(
        feature_service_name="spend", join_key_map={"user": "ann"}, metadata_options=MetadataOptions.all()
    )
    assert answer.metadata is not None
    assert answer.metadata["features"][1] == {
        "name": "spend.units_sum_3d",
        "dataType": {"type": "int64"},
        "effectiveTime": "2024-01-04T00:00:00Z",
        "status": "PRESENT",
        "description": "number 1",
        "tags": {"owner": "shop"},
    }
    assert answer.slo_info is not None
    assert (answer.slo_info.slo_eligible, answer.slo_info.slo_ineligibility_reasons) == (True, [])
    assert answer.slo_info.store_response_size_bytes > 0
    assert answer.slo_info.server_time_seconds >= answer.slo_info.store_max_latency > 0


def test_a_service_over_several_entities(tecton: TectonClient) -> None:
    """One request reads views of different entities; an integer key may be a number or text."""
    for shop in (2**60, str(2**60)):
        answer = tecton.get_features(feature_service_name="both", join_key_map={"user": "ann", "shop": shop})
        assert answer.result.features == ["16", "6", "1"]


def test_service_metadata(tecton: TectonClient) -> None:
    """What a service takes and gives."""
    answer = tecton.get_feature_service_metadata(feature_service_name="both")
    assert answer.input_join_keys == [
        {"name": "user", "dataType": {"type": "string"}},
        {"name": "shop", "dataType": {"type": "int64"}},
    ]
    assert answer.input_request_context_keys == []
    assert [each["name"] for each in answer.feature_values] == [
        "spend.units_sum_3d",
        "sold.units_sum_3d",
        "clicks.units_count_1d",
    ]


def test_errors_as_the_client_raises_them(tecton: TectonClient) -> None:
    """The client raises its own errors, with our message in them."""
    with pytest.raises(NotFoundError, match=r"got 'spent'. Did you mean spend\?"):
        tecton.get_features(feature_service_name="spent", join_key_map={"user": "ann"})
    with pytest.raises(BadRequestError, match=r"join key 'user' must be a string; got 5"):
        tecton.get_features(feature_service_name="spend", join_key_map={"user": 5})


def test_request_options(tecton: TectonClient) -> None:
    """Every option that the client has is taken."""
    options = RequestOptions(
        read_from_cache=False,
        write_to_cache=False,
        ignore_extra_request_context_fields=True,
        latency_budget_ms=10_000,
        coerce_null_counts_to_zero=True,
    )
    answer = tecton.get_features(
        feature_service_name="spend",
        join_key_map={"user": "nobody"},
        request_context_map={"amount": 1.5},
        request_options=options,
        allow_partial_results=True,
    )
    assert answer.result.features == ["0", None, None, None, [], []]


def test_async_client(client: httpx.Client, shop: Workspace) -> None:
    """The async client gets the same, many requests at once, as a read in process."""

    async def ask() -> list[list[object]]:
        tecton = AsyncTectonClient(url=str(client.base_url), api_key="any", default_workspace_name="prod")
        tasks = [tecton.get_features(feature_service_name="spend", join_key_map={"user": "ann"}) for _ in range(50)]
        return [answer.result.features for answer in await asyncio.gather(*tasks)]

    wanted = list(shop.get_features("spend", {"user": "ann"}, at=day(3.5)).values.values())
    shown = [str(each) if isinstance(each, int) else each for each in wanted]
    shown[4] = [str(each) for each in wanted[4]]
    assert asyncio.run(ask()) == [shown] * 50

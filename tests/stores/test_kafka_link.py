"""The address of Kafka: brokers, user, password and settings in one URL."""

import pytest

from tests.stores.logs import HORIZON_US, Clock
from tilefold.errors import InputError, StoreUnavailableError
from tilefold.stores.kafka_link import settings_of
from tilefold.stores.kafka_log import KafkaLog


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("kafka://a:9092,b:9092", {"bootstrap.servers": "a:9092,b:9092"}),
        (
            "kafka://me:p%40ss@a:9092?security.protocol=SASL_SSL&sasl.mechanism=PLAIN",
            {
                "bootstrap.servers": "a:9092",
                "sasl.username": "me",
                "sasl.password": "p@ss",
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
            },
        ),
    ],
)
def test_settings_stand_in_the_url(url: str, wanted: dict[str, str]) -> None:
    """Brokers, user and password, and whatever librdkafka knows."""
    assert wanted.items() <= settings_of(url).items()


def test_a_url_without_a_broker_is_refused() -> None:
    """The error shows no password."""
    with pytest.raises(InputError, match="it must name a broker") as told:
        settings_of("kafka://me:secret@")
    assert "secret" not in str(told.value)


def test_a_setting_that_does_not_exist_is_told(online_url: str) -> None:
    """What librdkafka does not know is an error of ours."""
    with pytest.raises((StoreUnavailableError, InputError), match="such configuration property"):
        KafkaLog.connect("kafka://a:1?no.such=1", online_url, "x", "spend", shards=4, horizon_us=HORIZON_US, now_us=Clock())

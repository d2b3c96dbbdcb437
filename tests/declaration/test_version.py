import os
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from tests.declaration.samples import DAY, HOUR, SCHEMA, TRANSACTIONS, USER, declare, spend, total
from tilefold import BatchSource, Entity, Field, LifetimeWindow, TimeWindow
from tilefold.types import String

_PRINT = "from tests.declaration.samples import declare; print(declare().version)"


def test_form() -> None:
    """A version is 12 hex digits."""
    assert len(declare().version) == 12
    assert int(declare().version, 16) >= 0


def test_golden() -> None:
    """The version of a declaration stays from release to release: it names tables and keys that exist."""
    assert declare().version == "ddfc4934ecda"


def test_every_process() -> None:
    """A declaration has the same version in every process, whatever its hash seed."""
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    printed = subprocess.run([sys.executable, "-c", _PRINT], env=environment, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == declare().version


@pytest.mark.parametrize(
    "parameters",
    [
        {"description": "what people spend"},
        {"owner": "risk"},
        {"tags": {"team": "risk"}},
        {"name": "other"},
        {"online": False},
        {"data_delay": HOUR},
        {"features": [total(description="a sum")]},
        {"features": [total(TimeWindow(30 * DAY))]},
        {"source": ..., "sources": [TRANSACTIONS]},
        {"batch_schedule": DAY},
        {"timestamp_field": "timestamp"},
        {"lifetime_start_time": datetime(2022, 6, 1)},  # noqa: DTZ001 - it means UTC; no window is a lifetime
    ],
)
def test_same(parameters: dict[str, Any]) -> None:
    """What does not change stored values does not change the version."""
    assert declare(**parameters).version == declare().version


@pytest.mark.parametrize(
    "parameters",
    [
        {"features": [total(7 * DAY)]},
        {"features": [total(function="mean")]},
        {"features": [total(name="spent")]},
        {"features": [total(), total(7 * DAY)]},
        {"entities": [USER, Entity("shop", join_keys=[Field("merchant", String)])]},
        {"source": BatchSource("purchases", schema=SCHEMA)},
        {"feature_start_time": datetime(2022, 5, 2)},  # noqa: DTZ001 - it means UTC
        {"batch_schedule": HOUR},
        {"compaction_enabled": False},
        {"function": lambda frame: frame.select("user_id", "timestamp", "amount").head(5), "name": "spend"},
    ],
)
def test_other(parameters: dict[str, Any]) -> None:
    """What changes stored values changes the version."""
    assert declare(**parameters).version != declare().version


def test_lifetime_start() -> None:
    """Where lifetime windows begin counts if there are any."""
    start = datetime(2022, 6, 1)  # noqa: DTZ001 - it means UTC
    features = [total(LifetimeWindow())]
    assert declare(features=features).version != declare(features=features, lifetime_start_time=start).version


def test_query() -> None:
    """In mode sql the query counts, its indentation does not."""

    def versions(query: str) -> str:
        return declare(lambda source: query.replace("{}", source), mode="sql", name="v").version

    plain = "SELECT *\nFROM {}"
    assert versions(plain) == versions("\n    SELECT *\n    FROM {}\n")
    assert versions(plain) != versions("SELECT *\nFROM {} WHERE amount > 1")


def test_function_name() -> None:
    """The function's name does not count."""

    def other(transactions: Any) -> Any:
        return transactions.select("user_id", "timestamp", "amount", "merchant")

    assert declare(other).version == declare(spend).version

"""Views written as people who come from Tecton write them: each value is the reference's, over rows worked out by hand."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tilefold import Workspace
from tilefold.declaration import FeatureView
from tilefold.engine.reference import Event, agree, reference_values
from tilefold.engine.time import to_us
from tilefold.serving.definitions import Definitions, load_definitions

FOLDER = Path(__file__).parents[2] / "examples" / "coming_from_tecton"
START = datetime(2022, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AS_OF = START + 9 * DAY
NOW = AS_OF + timedelta(hours=13, minutes=30)
USERS, SHOPS, KINDS = ("u1", "u2", "u3"), ("s1", "s2"), ("food", "travel", "books")
Row = Mapping[str, Any]


def payments(first: datetime, number: int, drawn: random.Random) -> list[dict[str, Any]]:
    """Payments of some days, a few of them without an amount."""
    return [
        {
            "user_id": drawn.choice(USERS),
            "shop_id": drawn.choice(SHOPS),
            "kind": drawn.choice(KINDS),
            "amount": None if drawn.random() < 0.1 else round(drawn.uniform(1, 40), 2),
            "refunded": drawn.choice((0, 0, 1)),
            "paid_at": first + timedelta(seconds=drawn.randrange(9 * 86_400)),
        }
        for _ in range(number)
    ]


DRAWN = random.Random(20220501)
PAST = payments(START, 150, DRAWN)
PUSHED = [{**row, "paid_at": NOW - timedelta(minutes=7 * number)} for number, row in enumerate(payments(START, 12, DRAWN))]
SIGNUPS = [
    {"user_id": user, "signed_up_at": START - DAY * (30 * number - 33), "card": card, "age": age}
    for number, (user, card, age) in enumerate([("u1", "4111", 33), ("u2", "5222", 44), ("u2", "9333", 55)])
]
LOGINS = [
    {"user_id": DRAWN.choice(USERS), "logged_in_at": START + timedelta(hours=5 * number), "device": DRAWN.choice("abc")}
    for number in range(40)
]
ISSUERS = {"4": "Visa", "5": "MasterCard"}


def net(row: Row) -> float | None:
    """A payment, or what is paid back."""
    return None if row["amount"] is None else -row["amount"] if row["refunded"] else row["amount"]


def columns(**made: Callable[[Row], Any]) -> Callable[[Row], dict[str, Any]]:
    """A row with further columns."""
    return lambda row: {**row, **{name: make(row) for name, make in made.items()}}


RAW: dict[str, Sequence[Row]] = {
    "payments_batch": PAST,
    "payments_stream": [*PAST, *PUSHED],
    "users_batch": SIGNUPS,
    "logins_batch": LOGINS,
}
MADE: dict[str, Callable[[Row], Row | None]] = {
    "user_amounts_by_kind": columns(
        food_amount=lambda row: row["amount"] if row["kind"] == "food" else None,
        travel_amount=lambda row: row["amount"] if row["kind"] == "travel" else None,
    ),
    "shop_refunds": lambda row: row if row["amount"] and row["amount"] > 0 else None,
    "user_card": columns(card_issuer=lambda row: ISSUERS.get(row["card"][0], "other")),
    "user_lifetime": dict,
    "user_week": dict,
    "shop_kinds": columns(payment=lambda _: 1),
    "user_large_payments": lambda row: (
        {**row, "cents": round(row["amount"] * 100)} if row["amount"] and row["amount"] >= 20 else None
    ),
    "user_logins": dict,
    "shop_last_payment": dict,
    "user_payments_just_now": columns(payment=lambda _: 1),
    "user_net": lambda row: None if row["amount"] is None else {**row, "net": net(row)},
    "user_travel": lambda row: row if row["kind"] == "travel" else None,
}
"""What each view's function makes of a row, said in plain Python."""


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Definitions:
    """The folder's definitions; its functions read from a folder of this test."""
    monkeypatch.setenv("PAYMENTS_DATA", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_definitions(str(FOLDER))


@pytest.fixture
def ws(declared: Definitions, tmp_path: Path, online_url: str) -> Iterator[Workspace]:
    """A workspace over their data, of which nothing was materialized."""
    pl.DataFrame(SIGNUPS).with_columns(pl.col("signed_up_at").dt.to_string("iso:strict")).write_csv(tmp_path / "signups.csv")
    logins = pl.DataFrame(LOGINS).select("user_id", "device", logged_in=pl.col("logged_in_at").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    logins.write_csv(tmp_path / "logins.csv")
    (tmp_path / "source").mkdir()
    times = {"paid_at": pl.Datetime("us", "UTC")}
    pl.DataFrame(PAST, schema_overrides=times).write_parquet(tmp_path / "source" / "payments.parquet")
    objects = [*declared.services.values()]
    with Workspace(tmp_path, objects, online_url, clock=lambda: NOW, name=tmp_path.name) as workspace:
        yield workspace


def wanted(view: FeatureView, key: str, at: datetime, edge: datetime) -> dict[str, Any]:
    """The reference's values of a key, by feature."""
    made = [row for raw in RAW[view.source.name] if (row := MADE[view.name](raw)) is not None]
    own = [
        row for row in made if row[view.join_keys[0].name] == key and to_us(row[view.timestamp_field]) >= view.feature_start_us
    ]
    events = [Event(to_us(row[view.timestamp_field]), str(number), row) for number, row in enumerate(own)]
    return reference_values(view.features, events, to_us(edge), to_us(at))


def assert_equal(view: FeatureView, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compare them, floats within 1e-9 of what was added up."""
    for name, value in expected.items():
        assert agree(found[name], value, scale=1e4), f"{view.name}.{name}: {found[name]}, not {value}"


def test_all_are_here(declared: Definitions) -> None:
    """Each view of the folder is checked below, and stands in one of its services."""
    assert set(declared.views) == set(MADE)
    assert {view.name for service in declared.services.values() for view in service.views} == set(MADE)
    assert {name for name, view in declared.views.items() if not view.scheduled} == {"user_logins", "shop_last_payment"}


def test_served_values_are_the_references(ws: Workspace) -> None:
    """Every view of both services, served after a compaction with a stream beside it, and in a training set."""
    ws.ingest("payments_stream", PUSHED)
    for name in ws.definitions.views:
        ws.materialize(name, AS_OF)
    ws.drain("payments_stream")
    for service, keys in (("user_risk", USERS), ("shop_risk", SHOPS)):
        for key in keys:
            column = ws.definitions.services[service].views[0].join_keys[0].name
            served = ws.get_features(service, {column: key}, at=NOW).values
            spine = pl.DataFrame({column: [key], "at": [NOW]}, schema_overrides={"at": pl.Datetime("us", "UTC")})
            trained = ws.get_features_for_events(service, spine, timestamp="at").row(0, named=True)
            for view, numbers in ws.definitions.selection(service):
                newest = max(row["paid_at"] for row in RAW["payments_stream"])
                edge = AS_OF if view.kind == "batch" else newest if view.leading_edge == "latest_event" else NOW
                names = [view.features[number].name for number in numbers]
                expected = {name: value for name, value in wanted(view, key, NOW, edge).items() if name in names}
                assert_equal(view, {name: served[f"{view.name}.{name}"] for name in names}, expected)
                assert_equal(view, {name: trained[f"{view.name}__{name}"] for name in names}, expected)

"""The commands, as one types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Run
from tilefold import __version__
from tilefold.cli.app import app, run
from tilefold.cli.session import Session


def test_materialize_imports_computes_and_serves(tilefold: Run) -> None:
    """One command goes from the source's files to the online store, and says what it did."""
    code, out, _ = tilefold("materialize", "spend")
    assert code == 0
    assert "3 events" in out
    assert "2 keys written" in out


def test_materialize_again_changes_nothing(tilefold: Run) -> None:
    """Where nothing changed it says so."""
    tilefold("materialize", "spend")
    assert "nothing changed" in tilefold("materialize", "spend")[1]


def test_full_writes_every_key_again(tilefold: Run) -> None:
    """`--full` is the way out where the store's bytes are broken."""
    tilefold("materialize", "spend")
    assert "2 keys written" in tilefold("materialize", "spend", "--full")[1]


def test_materialize_of_an_older_time_is_superseded(tilefold: Run) -> None:
    """An older watermark is compacted, and the store keeps the newer one."""
    tilefold("materialize", "spend")
    code, out, _ = tilefold("materialize", "spend", "--as-of", "2024-03-02")
    assert (code, "holds a newer one" in out) == (0, True)


def test_a_view_that_is_not_online_is_compacted_alone(tilefold: Run, definitions: Path) -> None:
    """`materialize` says that it stops there, `views` and `doctor` that it is meant so, and `get` what to do."""
    file = definitions / "payments.py"
    file.write_text(file.read_text().replace("feature_start_time=start)", "feature_start_time=start, online=False)", 1))
    code, out, _ = tilefold("materialize", "spend")
    assert (code, "2 keys; not online by its declaration" in out) == (0, True)
    assert "nothing changed" in tilefold("materialize", "spend")[1]
    assert "not online" in tilefold("views")[1]
    assert "1 compactions, not online" in tilefold("doctor")[1]
    code, _, err = tilefold("get", "spend", "user=1")
    assert (code, "Error (not online): view 'spend'" in err) == (2, True)


def test_get_shows_value_status_and_time(tilefold: Run) -> None:
    """A table of what is served."""
    tilefold("materialize", "spend", "--as-of", "2024-03-02")
    code, out, _ = tilefold("get", "spend", "user=1", "--at", "2024-03-02T12:00:00Z")
    line = next(line for line in out.splitlines() if "amount_sum" in line)
    assert (code, [cell.strip() for cell in line.split("│")[2:5]]) == (0, ["4", "PRESENT", "2024-03-02 00:00 UTC"])


def test_get_as_json_is_for_programs(tilefold: Run) -> None:
    """Standard output is one JSON object with values, statuses and effective times."""
    tilefold("materialize", "spend", "--as-of", "2024-03-02")
    _, out, _ = tilefold("get", "spend", "user=2", "--at", "2024-03-02", "--json")
    assert json.loads(out) == {
        "values": {"spend.amount_sum_36500d": 9.0},
        "statuses": {"spend.amount_sum_36500d": "PRESENT"},
        "effective_times": {"spend.amount_sum_36500d": "2024-03-02T00:00:00+00:00"},
    }


def test_get_of_a_service_takes_the_keys_of_its_views(tilefold: Run) -> None:
    """Keys are read by the types that each view declares: an integer and a boolean."""
    tilefold("materialize", "spend")
    tilefold("materialize", "turnover")
    _, out, _ = tilefold("get", "both", "user=1", "paid=true", "--json")
    assert json.loads(out)["values"] == {"spend.amount_sum_36500d": 4.0, "turnover.amount_sum_36500d": 10.5}


def test_get_before_any_materialization_is_not_ready(tilefold: Run) -> None:
    """Nothing served is said, not guessed: the mark of a source without history, no error."""
    code, out, _ = tilefold("get", "spend", "user=1", "--json")
    assert (code, json.loads(out)["values"]) == (0, {"spend.amount_sum_36500d": None})


def test_explain_shows_the_tiles_behind_a_value(tilefold: Run) -> None:
    """The window's edges, the tiles and their events."""
    tilefold("materialize", "spend")
    code, out, _ = tilefold("explain", "spend", "user=1")
    assert code == 0
    assert "the newest of 1 tiles" in out
    assert "2024-03-01 00:00 UTC" in out


def test_explain_shows_what_each_tile_brings(tilefold: Run) -> None:
    """Of a chosen feature: the tiles inside its window, their share, what each gives alone, and what the event log gives."""
    tilefold("materialize", "spend")
    code, out, _ = tilefold("explain", "spend", "user=1", "--feature", "amount_sum_36500d", "--reference")
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()]
    assert code == 0
    assert ["2024-03-01 00:00 UTC", "2024-03-01 00:00 UTC", "batch", "-", "2", "100.0%", "4"] in rows
    assert ["spend.amount_sum_36500d", "4", "agrees"] in rows
    assert "2 events in the event log, 0 of them came since" in out


def test_explain_gives_json(tilefold: Run) -> None:
    """The same as JSON, with every digit, of one feature or of all."""
    tilefold("materialize", "spend")
    code, out, _ = tilefold("explain", "spend", "user=1", "--json", "--reference")
    found = json.loads(out)
    (feature,) = found["features"]
    assert (code, feature["value"], feature["shares"][0]["value"]) == (0, 4.0, 4.0)
    assert found["reference"]["verdicts"] == {"spend.amount_sum_36500d": "agrees"}


def test_explain_says_why_a_value_is_not_plain(tilefold: Run) -> None:
    """What is served is of 2024: the reason stands below the values."""
    tilefold("materialize", "spend", "--as-of", "2024-03-02")
    _, out, _ = tilefold("explain", "spend", "user=1")
    assert "older than it is valid for. Materialize the view." in out


def test_prune_says_what_it_removed(tilefold: Run) -> None:
    """The newest watermarks and the served one stay; each removed compaction has a line."""
    for number in (2, 4, 3, 5):  # the store serves the newest synced one
        tilefold("materialize", "spend", "--as-of", f"2024-03-0{number}")
    code, out, err = tilefold("prune", "spend", "--keep", "2")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "removed: as of 2024-03-02 00:00 UTC, epoch 1",
        "removed: as of 2024-03-03 00:00 UTC, epoch 3",
        "spend: 2 compactions removed, 2 kept; served is that as of 2024-03-05 00:00 UTC, epoch 4.",
    ]
    assert "0 compactions removed, 2 kept" in tilefold("prune", "spend", "--keep", "2")[1]


def test_views_lists_what_is_declared(tilefold: Run) -> None:
    """Views with their keys, services with theirs."""
    tilefold("materialize", "spend")
    _, out, _ = tilefold("views")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert [row[:2] for row in rows] == [["spend", "user"], ["turnover", "paid"], ["both", "user, paid"]]
    assert rows[0][5].endswith("UTC")
    assert rows[1][5] == "-"


def test_version_is_told_without_a_workspace() -> None:
    """`--version` opens nothing; Typer's own runner agrees."""
    result = CliRunner().invoke(app, ["--version"], obj=Session())
    assert (result.exit_code, result.output) == (0, f"tilefold {__version__}\n")


def test_options_may_stand_behind_the_command(tilefold: Run, tmp_path: Path) -> None:
    """`--root` is found wherever it is typed, with a space or with `=`."""
    assert tilefold("views", "--root", str(tmp_path / "one"))[0] == 0
    assert tilefold("views", f"--root={tmp_path / 'two'}")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name in {"one", "two"}) == ["one", "two"]


def test_the_environment_names_the_workspace(
    root: Path, definitions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no option says is taken from TILEFOLD_ROOT and TILEFOLD_DEFINITIONS."""
    monkeypatch.setenv("TILEFOLD_ROOT", str(root))
    monkeypatch.setenv("TILEFOLD_DEFINITIONS", str(definitions))
    assert run(["materialize", "spend"]) == 0
    assert "2 keys written" in capsys.readouterr().out


def test_demo_of_a_slice_ends_with_served_values(tilefold: Run, tmp_path: Path) -> None:
    """Three days of real flights: the values of one flight, and where to look next."""
    features = Path(__file__).parents[2] / "features"
    command = ("demo", "--days", "3", "--without-dagster", "--root", str(tmp_path / "demo"), "--definitions", str(features))
    code, out, err = tilefold(*command)
    assert code == 0, err
    assert "carrier_delays.departure_delay_mean_7d" in out
    assert "PRESENT" in out
    assert "Where to look next" in out
    assert "flights_7d" in out


def test_forget_takes_an_entity_out(tilefold: Run) -> None:
    """It says what it removed and what is left to do by hand; the entity is unknown from then on, others stay."""
    tilefold("materialize", "spend")
    code, out, _ = tilefold("forget", "spend", "user=1", "--yes")
    assert (code, "2 events of 1 days removed" in out, "payments.parquet too" in out) == (0, True, True)
    for user, value in ((1, None), (2, 9.0)):
        _, out, _ = tilefold("get", "spend", f"user={user}", "--json")
        assert json.loads(out)["values"] == {"spend.amount_sum_36500d": value}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("spend", "user=1"), "wants consent, and nobody sits at this input"),
        (("spend", "--yes"), "join key 'user' is missing"),
        (("spend", "user=one", "--yes"), "join key 'user' is Int64"),
        (("spent", "user=1", "--yes"), "spent"),
    ],
)
def test_forget_is_not_done_by_mistake(tilefold: Run, arguments: tuple[str, ...], told: str) -> None:
    """Without consent, or with a wrong name or key, nothing is removed, and it says what is meant."""
    tilefold("materialize", "spend")
    code, _, err = tilefold("forget", *arguments)
    assert (code, told in err) == (2, True)
    assert "4.0" in tilefold("get", "spend", "user=1", "--json")[1]

"""`tilefold training-set`: a spine in a file, its values in another, one line said."""

from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Run
from tilefold.cli.faults import CALLER

GOOD = "user,timestamp,label\n2,2024-03-02T00:00:00Z,x\n1,2024-03-02T00:00:00Z,\n1,2024-03-01T00:00:00Z,y\n"
SPINES = {
    "good.csv": GOOD,
    "nokey.csv": "timestamp\n2024-03-02T00:00:00Z\n",
    "nulls.csv": "user,timestamp\n,2024-03-02T00:00:00Z\n",
    "naive.csv": "user,timestamp\n1,2024-03-02 00:00:00\n",
    "texts.csv": "user,timestamp\nann,2024-03-02T00:00:00Z\n",
    "times.csv": "user,timestamp\n1,yesterday\n",
    "empty.csv": "",
    "broken.parquet": "no parquet",
}
MISTAKES = [
    (("spend", "nowhere.parquet", "--out", "set"), "spine: it must be readable; got 'nowhere.parquet'"),
    (("spend", "nowhere", "--out", "set"), "spine: it must be readable; got 'nowhere'"),
    (("spend", "broken.parquet", "--out", "set"), "spine: it must be readable; got 'broken.parquet'"),
    (("spend", "empty.csv", "--out", "set"), "spine: it must be readable; got 'empty.csv'"),
    (("spend", "nokey.csv", "--out", "set"), "it must hold every join key and the timestamp; got 'user'"),
    (("spend", "good.csv", "--out", "set", "--timestamp", "when"), "must hold every join key and the timestamp; got 'when'"),
    (("spend", "nulls.csv", "--out", "set"), "'user' must not be null"),
    (("spend", "naive.csv", "--out", "set"), "'timestamp' must be a UTC time"),
    (("spend", "times.csv", "--out", "set"), "'timestamp' must be a UTC time; got 'String'"),
    (("spend", "texts.csv", "--out", "set"), "spine: it must be readable; got 'texts.csv'"),
    (("spent", "good.csv", "--out", "set"), "Did you mean spend?"),
    (("both", "good.csv", "--out", "set"), "it must hold every join key and the timestamp; got 'paid'"),
    (("spend", "good.csv", "--out", "set.csv"), "it is written as Parquet or Delta; got 'set.csv'"),
    (("spend", "good.csv", "--out", "set.JSON"), "it is written as Parquet or Delta; got 'set.JSON'"),
    (("spend", "good.csv", "--out", "good.csv/set.parquet"), "the place must be writable"),
    (("spend", "good.csv", "--out", "."), "nothing may be there yet"),
    (("spend", "good.csv"), "Missing option '--out'"),
    (("spend",), "Missing argument"),
]


@pytest.fixture(autouse=True)
def _spines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the command runs in holds them."""
    folder = tmp_path / "spines"
    folder.mkdir()
    for name, text in SPINES.items():
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)


def test_a_training_set(tilefold: Run) -> None:
    """It says how many rows and features there are, and the file holds the spine with its values, in its order."""
    tilefold("materialize", "spend", "--as-of", "2024-03-03")  # brings the payments in
    code, out, err = tilefold("training-set", "spend", "good.csv", "--out", "set.parquet")
    assert (code, err) == (0, "")
    assert out.startswith("spend: 3 rows with 1 features in set.parquet, 33.3 % of their values null")
    found = pl.read_parquet("set.parquet")
    assert found.columns == ["user", "timestamp", "label", "spend__amount_sum_36500d"]
    assert found.select("user", "label", "spend__amount_sum_36500d").rows() == [(2, "x", 9.0), (1, None, 4.0), (1, "y", None)]
    assert tilefold("training-set", "spend", "good.csv", "--out", "set.parquet")[0] == CALLER
    assert tilefold("training-set", "spend", "set.parquet", "--out", "set")[0] == CALLER  # it holds the feature's name


def test_rows_after_now_are_told(tilefold: Run) -> None:
    """A future time is answered from what there is, and said to be one."""
    Path("later.csv").write_text("user,timestamp\n1,2999-01-01T00:00:00Z\n")
    code, out, _ = tilefold("training-set", "spend", "later.csv", "--out", "set")
    assert code == 0
    assert "1 rows lie after now" in out


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_mistakes_are_told(tilefold: Run, arguments: tuple[str, ...], message: str) -> None:
    """Each says what was wrong, ends with 2, and writes nothing."""
    before = sorted(str(path) for path in Path().rglob("*"))
    code, out, err = tilefold("training-set", *arguments)
    assert (code, out) == (CALLER, "")
    assert message in err
    assert "Traceback" not in err
    assert sorted(str(path) for path in Path().rglob("*")) == before

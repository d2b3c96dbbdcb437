"""What is told to a person who mistypes, or whose machine is not as it must be: one message, a number, no traceback."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tilefold.cli import app as commands
from tilefold.cli import arguments
from tilefold.cli.faults import CALLER, FAULT, UNFORESEEN

INTERRUPTED = 130

MISTYPED = [
    (("get", "spent", "user=1"), "Did you mean spend?"),
    (("explain", "both", "user=1"), "Declared are: spend, turnover"),
    (("explain", "spend", "user=1", "--feature", "amount"), "It has: amount_sum_36500d"),
    (("materialize", "nothing"), "Declared are: spend, turnover"),
    (("get", "spend"), "join key 'user' is missing; got []. Write user=...."),
    (("get", "both", "user=1"), "join key 'paid' is missing"),
    (("get", "spend", "1"), "a join key is written key=value; got '1'"),
    (("get", "spend", "=1"), "a join key is written key=value; got '=1'"),
    (("get", "spend", "usr=1"), "no such join key; got 'usr'. Did you mean user?"),
    (("get", "spend", "user=1", "user=2"), "a join key is given once; got 'user'"),
    (("get", "spend", "user=ann"), "join key 'user' is Int64; got 'ann'. Write user=17."),
    (("get", "spend", "user="), "join key 'user' is Int64; got ''"),
    (("get", "turnover", "paid=perhaps"), "join key 'paid' is Boolean; got 'perhaps'. Write paid=true."),
    (("get", "spend", "user=1", "--at", "yesterday"), "option --at: it must be a time in ISO 8601; got 'yesterday'"),
    (("materialize", "spend", "--as-of", "2024-13-01"), "option --as-of: it must be a time in ISO 8601"),
    (("materialize", "spend", "--as-of", "2024-03-01T07:00"), "as_of must lie on its batch_schedule"),
    (("materialize", "spend", "--as-of", "2999-01-01"), "as_of must not lie after now"),
    (("prune", "spend", "--keep", "0"), "a whole number of watermarks must be kept; got 0. Keep 1 or more"),
    (("prune", "spend", "--keep", "some"), "Invalid value for '--keep'"),
    (("prune", "spend"), "it must be told what to remove"),
    (("demo", "--days", "0"), "days must be at least 1; got 0"),
    (("views", "--definitions", "nowhere"), "or such a module; got 'nowhere'. Run it in the project's folder"),
    (("views", "--online", "http://localhost"), "it must be redis://"),
    (("views", "--online", "redis://:secret@localhost:port/0"), "it must be redis://"),
    (("views", "--root", ""), "its root must have a name"),
    (("doctor", "--bind-online", "nonsense"), "it must be redis://"),
    (("up", "--host", "203.0.113.9"), "Give --host an address of this machine."),
    (("mend",), "No such command 'mend'"),
    (("get", "spend", "user=1", "--loud"), "No such option"),
    (("up", "--port", "0"), "Invalid value for '--port'"),
    (("get",), "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTYPED, ids=[" ".join(arguments) for arguments, _ in MISTYPED])
def test_mistakes_are_told(tilefold: Run, arguments: tuple[str, ...], message: str) -> None:
    """Each says what was wrong and what would be right, ends with 2, and writes nothing to standard output."""
    code, out, err = tilefold(*arguments)
    assert (code, out) == (CALLER, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["views"], ["materialize", "spend"], ["get", "spend", "user=1"]], ids=" ".join)
def test_outside_of_the_project_it_says_what_is_missing(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an empty folder the missing definitions are named, and what to do; nothing is made."""
    project, empty = Path(__file__).parents[2], tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("TILEFOLD_DEFINITIONS", raising=False)
    monkeypatch.syspath_prepend(str(project))  # as an editable install has it: `features` can be imported, as nothing
    assert commands.run(command) == CALLER
    told = capsys.readouterr()
    assert told.out == ""
    assert f"there must be such a folder in {empty}, or such a module; got 'features'" in told.err
    assert "Run it in the project's folder, or name a folder of Python files" in told.err
    assert "--definitions" in told.err
    assert "Traceback" not in told.err
    assert list(empty.iterdir()) == []


def test_an_empty_folder_of_definitions_is_told(tilefold: Run, tmp_path: Path) -> None:
    """A folder without declarations is named, with what belongs in it."""
    (tmp_path / "bare").mkdir()
    code, out, err = tilefold("views", "--definitions", str(tmp_path / "bare"))
    assert (code, out) == (CALLER, "")
    assert "a folder must hold Python files that declare something" in err


def test_reading_the_past_is_refused(tilefold: Run) -> None:
    """A time before the watermark is an error that says from when on one may read."""
    tilefold("materialize", "spend")
    code, _, err = tilefold("get", "spend", "user=1", "--at", "2024-01-01")
    assert (code, "a read must lie at or after its watermark" in err) == (CALLER, True)


def test_a_store_that_is_down_is_told(tilefold: Run) -> None:
    """Nobody listens: ours or the environment's fault, so the number is another."""
    code, _, err = tilefold("views", "--online", "redis://:secret@127.0.0.1:1/0")
    assert code == FAULT
    assert err.startswith("Error (store unavailable)")
    assert "secret" not in err


def test_another_store_than_bound_is_told_with_the_way_out(tilefold: Run, online_url: str) -> None:
    """A folder of one store opened with another says which command binds it anew."""
    tilefold("views")
    code, _, err = tilefold("views", "--online", online_url)
    assert (code, "tilefold doctor" in err, "--bind-online" in err) == (CALLER, True, True)


def test_a_mistyped_url_of_a_bound_folder_is_told_as_such(tilefold: Run) -> None:
    """Of a text that is no URL it is not said that the folder should be moved there."""
    tilefold("views")
    code, _, err = tilefold("views", "--online", "http://localhost")
    assert (code, "it must be redis://" in err, "--bind-online" in err) == (CALLER, True, False)


def test_a_file_in_the_place_of_the_root_is_told(tilefold: Run, tmp_path: Path) -> None:
    """The root must be a folder."""
    (tmp_path / "file").write_text("")
    code, _, err = tilefold("views", "--root", str(tmp_path / "file"))
    assert (code, "its root must be a folder that can be written" in err) == (CALLER, True)


def test_an_unreadable_source_file_is_told(tilefold: Run, root: Path) -> None:
    """Broken Parquet is named, and nothing is served of it."""
    (root / "payments.parquet").write_bytes(b"broken")
    code, _, err = tilefold("materialize", "spend")
    assert (code, "payments.parquet" in err, "its files must be readable" in err) == (CALLER, True, True)


def test_a_definition_that_fails_is_told_with_its_line(tilefold: Run, definitions: Path) -> None:
    """A file of declarations that raises is named with the line that did."""
    (definitions / "wrong.py").write_text("one = 1\ntwo = one.two\n")
    code, _, err = tilefold("views")
    assert (code, "wrong.py, line 2 must import" in err, "AttributeError" in err) == (CALLER, True, True)


def test_a_definition_that_does_not_parse_is_told_with_its_line(tilefold: Run, definitions: Path) -> None:
    """A syntax error too."""
    (definitions / "wrong.py").write_text("one = 1\ntwo =\n")
    code, _, err = tilefold("views")
    assert (code, "wrong.py, line 2 must import" in err) == (CALLER, True)


def test_what_nobody_foresaw_is_short(tilefold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of no kind of ours says what it is and how to see more."""
    monkeypatch.setattr(arguments, "key_types", lambda *_: 1 / 0)
    code, out, err = tilefold("get", "spend", "user=1")
    assert (code, out) == (UNFORESEEN, "")
    assert err == "Unexpected ZeroDivisionError: division by zero. Run it again with --debug to see where.\n"


def test_debug_shows_where(tilefold: Run) -> None:
    """With `--debug` the error itself comes through, traceback and all."""
    with pytest.raises(LookupError, match="Declared are"):
        tilefold("get", "spent", "user=1", "--debug")


def test_ctrl_c_is_no_error_of_ours(tilefold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who stops it gets the number that shells use."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(arguments, "key_types", stopped)
    code, _, err = tilefold("get", "spend", "user=1")
    assert (code, "Traceback" in err) == (INTERRUPTED, False)

"""Dagster runs from the command line: their progress, and their failure."""

from pathlib import Path

import pytest

from tilefold.cli.project import Project
from tilefold.cli.runs import DagsterRunError, run_module
from tilefold.cli.session import Session

RUN = """
import sys
line = "2026-11-24 00:33:21 +0000 - dagster - {} - job - run - {}"
print(line.format("DEBUG", '77 - spend__tiles - STEP_START - Started execution of step "spend__tiles".'), file=sys.stderr)
for day in ("2026-11-01", "2026-11-02"):
    print(line.format("INFO", f"spend__tiles - {day}: events 709"), file=sys.stderr)
"""
ENDS = RUN + """print(line.format("DEBUG", '77 - spend__tiles - STEP_SUCCESS - Finished in 2s.'), file=sys.stderr)"""
FAILS = (
    RUN + """print(line.format("DEBUG", '77 - spend__tiles - STEP_FAILURE - Failed.'), file=sys.stderr); sys.exit("no room")"""
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose modules are written by the tests."""
    return Project(tmp_path, tmp_path / "data/dagster")


def test_each_step_is_told_with_its_partitions(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """One line per finished step: how many partitions, how long."""
    (project.folder / "ends.py").write_text(ENDS)
    run_module(project, Session(), "ends", [])
    assert capsys.readouterr().err.startswith("  spend__tiles, 2 partitions, ")


def test_a_failed_run_is_told_with_its_last_words(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The failed step, the end of the log, and where the rest of it is."""
    (project.folder / "fails.py").write_text(FAILS)
    with pytest.raises(DagsterRunError, match=r"(?s)no room.*output/fails\.log"):
        run_module(project, Session(), "fails", [])
    assert "spend__tiles FAILED, 2 partitions" in capsys.readouterr().err


def test_processes_are_told_which_workspace_is_meant(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Absolute folders, and no variable for what was not given."""
    monkeypatch.delenv("TILEFOLD_ONLINE_URL", raising=False)
    env = project.environment(Session(root="elsewhere", definitions=str(tmp_path), name="staging"))
    assert (env["DAGSTER_HOME"], env["TILEFOLD_ROOT"]) == (str(tmp_path / "data/dagster"), str(tmp_path / "data"))
    assert (env["TILEFOLD_DEFINITIONS"], env["TILEFOLD_NAME"]) == (str(tmp_path), "staging")
    assert "TILEFOLD_ONLINE_URL" not in env

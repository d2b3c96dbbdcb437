"""The Dagster project around the library: its home is made by one process, before any other looks at it."""

from pathlib import Path

import pytest

from tilefold.cli.project import RECORDS, DagsterStartError, Project
from tilefold.cli.session import Session

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A root that nobody used yet, and the project's folder to stand in."""
    monkeypatch.chdir(PROJECT)
    return Session(root=str(tmp_path / "root"))


def test_records_are_made_where_there_are_none(session: Session) -> None:
    """After it has returned, every process that starts finds what it needs."""
    project = Project.of(session)
    project.prepare()
    project.make_records(session)
    assert [name for name in RECORDS if not (project.home / name).is_file()] == []


def test_records_that_are_there_are_left_alone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home with records starts nothing."""
    project = Project.of(session)
    for name in RECORDS:
        (project.home / name).parent.mkdir(parents=True, exist_ok=True)
        (project.home / name).touch()
    monkeypatch.setattr(Project, "command", lambda *_: ["false"])
    project.make_records(session)
    assert [(project.home / name).stat().st_size for name in RECORDS] == [0, 0, 0]


def test_a_home_that_dagster_cannot_use_is_told(session: Session) -> None:
    """What Dagster says of it, and what to do, without a traceback."""
    project = Project.of(session)
    project.prepare()
    (project.home / "history").write_text("a file, where a folder must be")
    with pytest.raises(DagsterStartError, match="tilefold doctor") as told:
        project.make_records(session)
    assert "history" in str(told.value)
    assert "Traceback" not in str(told.value)

"""Runs give way to what serves reads, where the environment says so; what the daemon does by itself does not."""

import pytest

import resources.workspace
from tests.dagster.shopping import Shop


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The nicenesses that processes would have taken."""
    taken: list[int] = []
    monkeypatch.setattr(resources.workspace, "give_way", taken.append)
    return taken


def test_a_run_gives_way(shop: Shop, given: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """By as much as `TILEFOLD_RUN_NICENESS` says; not at all where it says nothing."""
    assert shop.run(["purchases/event_log"], "2026-01-02").success
    assert given == []
    monkeypatch.setenv("TILEFOLD_RUN_NICENESS", "12")
    assert shop.run(["purchases/event_log"], "2026-01-02").success
    assert given == [12]


def test_a_tick_does_not(shop: Shop, given: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor's tick is inside a process that goes on after it, and what it drains is waited for."""
    monkeypatch.setenv("TILEFOLD_RUN_NICENESS", "12")
    shop.tick("clicks_drain")
    assert given == []

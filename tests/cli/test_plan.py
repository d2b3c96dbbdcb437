"""The commands by which a changed view goes into service, as one types them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tilefold.serving import removal
from tilefold.stores import view_versions


def change(definitions: Path) -> None:
    """Give both views another function."""
    file = definitions / "payments.py"
    file.write_text(file.read_text().replace('function="sum"', 'function="max"'))


def test_plan_materialize_prune(tilefold: Run, definitions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the plan to the removal of the old version, with an exit code for CI."""
    code, out, _ = tilefold("plan", "--detailed-exitcode")
    assert (code, out.count("added, version")) == (3, 2)
    assert "1 days to import" in out
    for view in ("spend", "turnover"):
        tilefold("materialize", view)
    assert tilefold("plan", "--detailed-exitcode")[:2] == (0, "Nothing changed: 2 views are as they are served.\n")
    change(definitions)
    code, out, _ = tilefold("plan", "spend", "--json")
    (planned,) = json.loads(out)
    assert (code, planned["change"], planned["cost"]["keys"]) == (0, "changed", 2)
    assert planned["differences"][0] == "feature amount_max_36500d is added: max of amount over 36500d"
    assert tilefold("materialize", "spend", "--no-switch")[0] == 0
    assert "by version" in tilefold("views")[1]
    assert "is served, not that of the definitions" in tilefold("doctor")[1]
    assert "it is materialized, and waits for the switch" in tilefold("plan", "spend")[1]
    assert "is served from here on in place of" in tilefold("materialize", "spend")[1]
    assert tilefold("get", "spend", "user=1")[1].count("2.5") == 1
    assert "a version stays for 60 s" in tilefold("prune", "spend", "--old-versions")[1]
    monkeypatch.setattr(view_versions, "KEPT_MS", 0)
    monkeypatch.setattr(removal, "GRACE_S", 0.0)
    code, out, _ = tilefold("prune", "spend", "--old-versions")
    assert (code, "2 keys" in out, "1 versions removed" in out) == (0, True, True)


def test_prune_wants_to_know_what(tilefold: Run) -> None:
    """Without an option it removes nothing."""
    code, _, err = tilefold("prune", "spend")
    assert (code, "it must be told what to remove" in err) == (2, True)

"""`tilefold parity`: what was sampled, by feature, and an exit code that says whether it was right."""

from pathlib import Path

from tests.cli.conftest import Run
from tilefold.cli.faults import FAULT
from tilefold.cli.session import Session
from tilefold.serving.sampling import Sampling
from tilefold.workspace import Workspace


def test_parity_shows_what_was_sampled(tilefold: Run, root: Path, definitions: Path) -> None:
    """Right values pass; a wrong one is shown with what it should have been, and the command fails."""
    tilefold("materialize", "spend")
    with Workspace(root, str(definitions), sampling=Sampling(rate=1)) as ws:
        ws.get_features("spend", {"user": 1})
    code, out, _ = tilefold("parity", "spend")
    assert (code, "spend: 1 sampled reads." in out) == (0, True)
    with Workspace(root, str(definitions), sampling=Sampling(rate=1)) as ws:
        client, (one, two) = ws.online_client(), (ws.online_key("spend", {"user": user}) for user in (1, 2))
        client.hset(one, "b", client.hget(two, "b"))
        ws.get_features("spend", {"user": 1})
    code, out, _ = tilefold("parity")
    assert code == FAULT
    assert "amount_sum_36500d was 9.0, not 4.0" in out
    assert "turnover: 0 sampled reads." in out


def test_other_processes_know_the_rate(root: Path) -> None:
    """What `up` was told of samples is in the environment of the server that it starts, where `serve` looks for it."""
    told = Session(str(root), sampling=Sampling(0.25, keep_days=3)).environment()
    assert (told["TILEFOLD_SAMPLE_RATE"], told["TILEFOLD_SAMPLE_KEEP_DAYS"]) == ("0.25", "3")
    assert "TILEFOLD_SAMPLE_RATE" not in Session(str(root)).environment()

"""`tilefold keys`: made, listed, revoked; shown once."""

from pathlib import Path

from tests.cli.conftest import Run
from tilefold.cli.faults import CALLER
from tilefold.server.api_keys import ApiKeys
from tilefold.server.key_file import KeyFile


def test_a_key_is_printed_alone_and_works(tilefold: Run, root: Path) -> None:
    """Standard output is the key and nothing else, so that a script can take it; no store is started for it."""
    code, out, err = tilefold("keys", "create", "model", "--role", "ingest")
    assert (code, out.count("\n")) == (0, 1)
    assert ApiKeys(KeyFile(str(root))).roles_of(out.strip()) == {"ingest"}
    assert (out.strip() in err, "shown this once" in err) == (False, True)
    assert not (root / "online").exists()


def test_keys_are_listed_without_themselves(tilefold: Run) -> None:
    """Name, role, since when, and whether it is revoked; nothing of the key."""
    key = tilefold("keys", "create", "model")[1].strip()
    tilefold("keys", "create", "loader", "--role", "admin")
    tilefold("keys", "revoke", "loader")
    code, out, _ = tilefold("keys", "list")
    rows = [[cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")] for line in out.splitlines()]
    named = {row[0]: row for row in rows if row[0] in ("model", "loader")}
    assert (code, named["model"][1], named["model"][3], named["loader"][1]) == (0, "read", "-", "admin")
    assert named["loader"][3].endswith("UTC")
    assert key[9:17] not in out


def test_a_revoked_key_counts_no_more(tilefold: Run, root: Path) -> None:
    """What was made and revoked opens nothing."""
    key = tilefold("keys", "create", "model")[1].strip()
    assert tilefold("keys", "revoke", "model")[0] == 0
    assert ApiKeys(KeyFile(str(root))).roles_of(key) is None


def test_mistakes_are_told(tilefold: Run) -> None:
    """A role that is none, a name that nobody has, a root without files: one message, the caller's number."""
    for arguments, message in [
        (("keys", "create", "model", "--role", "owner"), "Use one of: read, ingest, admin"),
        (("keys", "revoke", "nobody"), "In use are: none"),
        (("keys", "list", "--root", "s3://bucket/x"), "TILEFOLD_API_KEYS"),
    ]:
        code, out, err = tilefold(*arguments)
        assert (code, out, message in err) == (CALLER, "", True)

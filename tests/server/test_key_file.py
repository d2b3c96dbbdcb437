"""The file of API keys: hashes alone, for the owner alone, replaced in one step."""

import json
import stat
import threading
from pathlib import Path

import pytest

from tilefold.errors import FormatError, InputError, NewerFormatError
from tilefold.server.key_file import PREFIX, KeyFile, digest_of


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    """The file of an empty root."""
    return KeyFile(str(tmp_path))


def test_a_key_is_not_in_the_file(file: KeyFile) -> None:
    """The file holds the hash of a key, and nothing of the key itself."""
    key = file.create("model", "read")
    text = file.path.read_text()
    assert key.startswith(PREFIX)
    assert digest_of(key).hex() in text
    assert key.removeprefix(PREFIX)[:8] not in text


def test_the_file_is_for_its_owner(file: KeyFile) -> None:
    """Mode 0600 in a folder of mode 0700, whatever stood in the draft's place before."""
    file.create("one", "read")
    draft = file.path.with_suffix(".new")
    draft.touch(0o644)
    file.create("two", "ingest")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_keys_differ_and_are_long(file: KeyFile) -> None:
    """Each is 256 random bits."""
    keys = {file.create(f"k{number}", "read") for number in range(20)}
    assert len(keys) == 20
    assert {len(key) for key in keys} == {len(PREFIX) + 43}


def test_a_revoked_key_leaves_its_name(file: KeyFile) -> None:
    """Its hash is gone, that it was there is not, and its name is free for another key."""
    file.create("model", "ingest")
    file.revoke("model")
    (left,) = file.read()
    assert (left.name, left.role, left.sha256, left.revoked is not None) == ("model", "ingest", "", True)
    file.create("model", "read")
    assert [each.revoked is None for each in file.read()] == [False, True]


def test_a_name_is_that_of_one_key(file: KeyFile) -> None:
    """A second key of a name in use is refused, with the way out."""
    file.create("model", "read")
    with pytest.raises(InputError, match="tilefold keys revoke model"):
        file.create("model", "admin")


def test_only_what_is_in_use_is_revoked(file: KeyFile) -> None:
    """A name that no key in use has is an error that lists those that are."""
    file.create("one", "read")
    file.create("two", "read")
    file.revoke("two")
    with pytest.raises(InputError, match=r"got 'two'. In use are: one\."):
        file.revoke("two")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 65, " lead", "trail\t"])
def test_names_are_plain_text(file: KeyFile, name: str) -> None:
    """A name that would break a table is refused, and no file is made."""
    with pytest.raises(InputError, match="printable text"):
        file.create(name, "read")
    assert not file.path.exists()


def test_concurrent_changes_lose_nothing(file: KeyFile) -> None:
    """Keys that are made at the same time by several are all there."""
    makers = [threading.Thread(target=file.create, args=(f"k{number}", "read")) for number in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert sorted(each.name for each in file.read()) == sorted(f"k{number}" for number in range(8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"format":1,"keys":[{"name":"a","role":"owner","created":"2026-01-01T00:00:00Z","sha256":""}]}',
        b'{"format":1,"keys":[{"name":"a","role":"read","created":"2026-01-01T00:00:00Z","sha256":"ab"}]}',
        b'{"format":1,"keys":[{"name":"a","role":"read","created":"2026-01-01T00:00:00Z","sha256":"zz"}]}',
    ],
)
def test_a_broken_file_is_refused(file: KeyFile, data: bytes) -> None:
    """What is no file of keys is an error that names the file, and no key counts."""
    file.path.parent.mkdir()
    file.path.write_bytes(data)
    with pytest.raises(FormatError, match="api_keys"):
        file.read()


def test_a_newer_format_is_refused_by_name(file: KeyFile) -> None:
    """A file of a later release is not guessed at."""
    file.create("model", "read")
    file.path.write_text(json.dumps(json.loads(file.path.read_text()) | {"format": 2}))
    with pytest.raises(NewerFormatError, match="Upgrade this release"):
        file.read()


def test_a_place_on_an_object_store_has_no_file() -> None:
    """Where no file can be locked, keys come by the environment."""
    with pytest.raises(InputError, match="TILEFOLD_API_KEYS"):
        KeyFile("s3://bucket/features")

"""Who gets in: which keys count, what each may do, and what closes a server."""

import hmac
from dataclasses import dataclass
from pathlib import Path

import pytest

from tilefold.errors import FormatError, InputError
from tilefold.server import api_keys
from tilefold.server.api_keys import REFRESH_S, ApiKeys
from tilefold.server.key_file import KeyFile
from tilefold.server.roles import Role


@dataclass
class Time:
    """A clock that the test moves."""

    now_s: float = 100.0

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now_s

    def pass_refresh(self) -> None:
        """Let the file be looked at again."""
        self.now_s += REFRESH_S


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    """The file of an empty root."""
    return KeyFile(str(tmp_path))


def test_without_keys_none_is_required(file: KeyFile) -> None:
    """On a developer's machine nothing has to be set up, and no text is a key."""
    keys = ApiKeys(file)
    assert (keys.required, keys.roles_of(""), keys.roles_of("guess")) == (False, None, None)


@pytest.mark.parametrize("role", ["read", "ingest", "admin"])
def test_a_key_has_its_role(file: KeyFile, role: Role) -> None:
    """A key that differs in a letter is none."""
    key = file.create("model", role)
    keys = ApiKeys(file)
    assert keys.roles_of(key) == {role}
    assert [keys.roles_of(each) for each in (key + "x", key[:-1], key.upper(), "")] == [None] * 4


def test_a_new_key_closes_a_running_server(file: KeyFile) -> None:
    """The first key that is made is required from then on, also on loopback."""
    clock = Time()
    keys = ApiKeys(file, clock_s=clock)
    key = file.create("model", "read")
    clock.pass_refresh()
    assert (keys.required, keys.roles_of(key)) == (True, {"read"})


def test_a_revoked_key_stops_working_within_the_refresh(file: KeyFile) -> None:
    """A running server looks at the file again; the other keys go on working."""
    clock = Time()
    gone, kept = file.create("gone", "read"), file.create("kept", "read")
    keys = ApiKeys(file, clock_s=clock)
    file.revoke("gone")
    clock.pass_refresh()
    assert (keys.roles_of(gone), keys.roles_of(kept)) == (None, {"read"})


def test_revoking_the_last_key_opens_nothing(file: KeyFile) -> None:
    """That there was a key keeps the server closed, a new one too."""
    key = file.create("model", "read")
    file.revoke("model")
    keys = ApiKeys(file)
    assert (keys.required, keys.roles_of(key)) == (True, None)


def test_a_file_that_disappears_opens_nothing(file: KeyFile) -> None:
    """A running server that had keys stays closed without its file, and its former keys count no more."""
    clock = Time()
    key = file.create("model", "read")
    keys = ApiKeys(file, clock_s=clock)
    file.path.unlink()
    clock.pass_refresh()
    assert (keys.required, keys.roles_of(key)) == (True, None)


def test_a_broken_file_lets_nobody_in(file: KeyFile) -> None:
    """While the file cannot be understood every look-up fails, and what the file held before does not count."""
    clock = Time()
    key = file.create("model", "read")
    keys, good = ApiKeys(file, clock_s=clock), file.path.read_bytes()
    file.path.write_bytes(b"{")
    for _ in range(2):
        clock.pass_refresh()
        with pytest.raises(FormatError):
            keys.roles_of(key)
    file.path.write_bytes(good)
    assert keys.roles_of(key) == {"read"}


def test_keys_by_the_environment(file: KeyFile) -> None:
    """Each key with its role, read where none is named, beside those of the file."""
    stored = file.create("model", "read")
    keys = ApiKeys(file, "alpha, beta:ingest ,gamma:admin")
    assert [keys.roles_of(each) for each in ("alpha", "beta", "gamma", stored)] == [
        {"read"},
        {"ingest"},
        {"admin"},
        {"read"},
    ]
    assert [keys.roles_of(each) for each in ("beta:ingest", " alpha")] == [None, None]


def test_keys_by_the_environment_need_no_file() -> None:
    """On an object store the environment is all there is."""
    keys = ApiKeys(None, "alpha")
    assert (keys.required, keys.roles_of("alpha")) == (True, {"read"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("good,,other", "TILEFOLD_API_KEYS, key 2: it must be a key that fits into a header"),
        ("sesame open", "key 1: it must be a key"),
        (":read", "key 1: it must be a key"),
        ("ключ", "key 1: it must be a key"),
        ("sesame:owner", "what follows its colon must be a role"),
        ("sesame:read,sesame:admin", "key 2: a key has one role"),
    ],
)
def test_wrong_keys_by_the_environment_are_told_and_not_shown(given: str, message: str) -> None:
    """The message says which key is wrong and never what it is."""
    with pytest.raises(InputError, match=message) as raised:
        ApiKeys(None, given)
    assert not any(secret in str(raised.value) for secret in ("sesame", "owner", "ключ", "good"))


def test_every_known_key_is_compared_in_constant_time(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that matches early is compared with the later ones too, by the function that is made for it."""
    first, _ = file.create("a", "read"), file.create("b", "read")
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return hmac.compare_digest(one, other)

    keys = ApiKeys(file, "gamma")
    monkeypatch.setattr(api_keys, "hmac", type("Recorded", (), {"compare_digest": staticmethod(compare)}))
    assert keys.roles_of(first) == {"read"}
    assert len(compared) == 3


def test_any_text_may_be_presented(file: KeyFile) -> None:
    """Half a surrogate pair, as headers of wrong bytes become, is a wrong key and no failure."""
    file.create("model", "read")
    assert ApiKeys(file).roles_of("\udcff\ud800") is None

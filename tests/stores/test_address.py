"""The address file keeps the password from others, and survives crashes and edits."""

import socket
import stat
from pathlib import Path

import pytest

from tilefold.stores.address import HOST, Address


def test_an_address_comes_back_as_written(tmp_path: Path) -> None:
    """What is written is read."""
    address = Address.fresh()
    address.write(tmp_path / "address.json")
    assert Address.read(tmp_path / "address.json") == address


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file has mode 0600, also where a leftover draft had another."""
    (tmp_path / "address.new").write_text("left over")
    Address.fresh().write(tmp_path / "address.json")
    assert stat.S_IMODE((tmp_path / "address.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["address.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"null",
        b'{"port": 6379}',
        b'{"port": "6379", "password": "abc"}',
        b'{"port": true, "password": "abc"}',
        b'{"port": 70000, "password": "abc"}',
        b'{"port": 6379, "password": "a@b/"}',
        b'{"port": 6379, "password": ""}',
        b'{"port": 6379, "password": 5}',
    ],
)
def test_a_broken_file_is_no_address(tmp_path: Path, content: bytes) -> None:
    """A file that was cut off or edited is noticed and not used."""
    (tmp_path / "address.json").write_bytes(content)
    assert Address.read(tmp_path / "address.json") is None


def test_a_missing_file_is_no_address(tmp_path: Path) -> None:
    """A folder that was never opened has no address."""
    assert Address.read(tmp_path / "address.json") is None


def test_a_taken_port_is_not_bindable() -> None:
    """A port on which somebody listens is seen as taken, and as free afterwards."""
    address = Address.fresh()
    assert address.bindable()
    with socket.socket() as other:
        other.bind((HOST, address.port))
        other.listen()
        assert not address.bindable()
    assert address.bindable()

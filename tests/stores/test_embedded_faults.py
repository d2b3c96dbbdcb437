"""What is in the way of an embedded server, and what is told of it: ports, addresses, folders, settings, broken data."""

import os
import signal
from pathlib import Path

import pytest

from tests.stores.servers import answers, has, put, server_process
from tilefold.errors import FileError, StoreUnavailableError
from tilefold.stores.address import Address
from tilefold.stores.embedded import EmbeddedServer, open_embedded


def test_a_taken_port_is_left_for_another(tmp_path: Path) -> None:
    """A port that somebody else took meanwhile is given up, and the data is there at another one."""
    with open_embedded(tmp_path) as server:
        put(server.url, "key")
    address = Address.read(tmp_path / "online" / "address.json")
    assert address is not None
    with embedded_at(tmp_path / "other", address), open_embedded(tmp_path) as again:
        assert again.url != server.url
        assert has(again.url, "key")


def embedded_at(folder: Path, address: Address) -> EmbeddedServer:
    """A server of another folder that listens at this address."""
    (folder / "online").mkdir(parents=True)
    address.write(folder / "online" / "address.json")
    return open_embedded(folder)


def test_a_broken_address_file_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    """A server that is not running starts at a fresh address, on its data."""
    with open_embedded(tmp_path) as server:
        put(server.url, "key")
    (tmp_path / "online" / "address.json").write_text("{")
    with open_embedded(tmp_path) as again:
        assert has(again.url, "key")


def test_a_broken_address_file_of_a_living_server_is_an_error(tmp_path: Path) -> None:
    """A living server is never doubled: the error names the folder and the process to end."""
    with open_embedded(tmp_path) as server:
        file = tmp_path / "online" / "address.json"
        content = file.read_text()
        file.write_text("{")
        with pytest.raises(StoreUnavailableError, match=rf"online.*address file.*{server_process(tmp_path, 'online')}"):
            open_embedded(tmp_path)
        file.write_text(content)
        assert answers(server.url)


def test_a_server_that_hangs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lives but gives no answer is not doubled either."""
    with open_embedded(tmp_path):
        monkeypatch.setattr("tilefold.stores.embedded_process._ANSWER_TIMEOUT_S", 0.05)
        monkeypatch.setattr("tilefold.stores.embedded_process._CONTROL_TIMEOUT_S", 0.05)
        os.kill(server_process(tmp_path, "online"), signal.SIGSTOP)
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            open_embedded(tmp_path)
        monkeypatch.undo()
        os.kill(server_process(tmp_path, "online"), signal.SIGCONT)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A root that is a file, or lies below one, is the caller's mistake, with the folder named."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match=r"file/online.*Not a directory"):
        open_embedded(tmp_path / "file")


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """The error carries the server's own words, and the folder is free for the next try."""
    with pytest.raises(StoreUnavailableError, match="no-such-setting"):
        open_embedded(tmp_path, config={"no-such-setting": "1"})
    with open_embedded(tmp_path) as server:
        assert answers(server.url)


def test_a_broken_data_file_is_an_error(tmp_path: Path) -> None:
    """Data that the server cannot load is never thrown away silently."""
    with open_embedded(tmp_path) as server:
        put(server.url, "key")
    broken = next((tmp_path / "online" / "appendonlydir").glob("*.incr.aof"))
    broken.write_bytes(b"*3\r\n$3\r\nSET\r\n!!!" + broken.read_bytes())
    with pytest.raises(StoreUnavailableError, match="Bad file format"):
        open_embedded(tmp_path)
    assert broken.exists()

"""One server per folder, one owner per server, whatever dies."""

import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as NoConnectionError

from tests.stores.servers import Opener
from tilefold.errors import FileError, StoreUnavailableError
from tilefold.stores.address import Address
from tilefold.stores.embedded import EmbeddedServer, open_embedded


def _answers(url: str) -> bool:
    with Redis.from_url(url, retry=None) as client:
        try:
            return bool(client.ping())
        except NoConnectionError:
            return False


def _put(url: str, key: str) -> None:
    with Redis.from_url(url) as client:
        client.set(key, "there")


def _has(url: str, key: str) -> bool:
    with Redis.from_url(url) as client:
        return client.get(key) == b"there"


def _server_process(folder: Path) -> int:
    return int((folder / "online" / "server.pid").read_text())


def test_the_first_opener_owns_and_later_ones_attach(tmp_path: Path) -> None:
    """In one process: one owner, the same server for all, and closing an attached one stops nothing."""
    with open_embedded(tmp_path) as first:
        second = open_embedded(tmp_path)
        assert (first.owned, second.owned) == (True, False)
        assert first.url == second.url
        second.close()
        assert _answers(first.url)


def test_another_process_attaches_and_never_stops_it(tmp_path: Path) -> None:
    """An opener in another process does not own, and its close leaves the server running."""
    with open_embedded(tmp_path) as first:
        other = Opener(tmp_path)
        assert not other.owned
        other.finish()
        assert _answers(first.url)


def test_close_returns_after_the_server_has_exited(tmp_path: Path) -> None:
    """After the owner's close no process is left, and closing again does nothing."""
    server = open_embedded(tmp_path)
    process = _server_process(tmp_path)
    server.close()
    server.close()
    assert not server.owned
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_data_is_there_after_a_restart_at_the_same_place(tmp_path: Path) -> None:
    """What was written is kept, and the port and password too, so that other clients find the new server."""
    with open_embedded(tmp_path) as server:
        _put(server.url, "key")
    with open_embedded(tmp_path) as again:
        assert again.url == server.url
        assert _has(again.url, "key")


def test_an_orphan_is_adopted(tmp_path: Path) -> None:
    """A server whose owner was killed goes on, belongs to the next opener, and loses nothing."""
    killed = Opener(tmp_path)
    _put(killed.url, "key")
    killed.kill()
    assert _answers(killed.url)
    adopted = open_embedded(tmp_path)
    assert adopted.owned
    assert adopted.url == killed.url
    assert _has(adopted.url, "key")
    adopted.close()
    assert not _answers(adopted.url)


def test_an_opener_killed_right_after_it_started_the_server(tmp_path: Path) -> None:
    """A server whose starter died before another step listens where the folder says, with its password, and is adopted."""
    code = """
import os, signal, sys
from pathlib import Path
from tilefold.stores import embedded_process
real = embedded_process._run
def deadly(*arguments):
    real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
embedded_process._run = deadly
from tilefold.stores.embedded import open_embedded
open_embedded(Path(sys.argv[1]))
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    address = Address.read(tmp_path / "online" / "address.json")
    assert (killed.returncode, address is None) == (-signal.SIGKILL, False)
    with open_embedded(tmp_path) as adopted:
        assert (adopted.owned, adopted.url) == (True, address.url if address else "")


def test_an_opener_that_attached_before_does_not_become_the_owner(tmp_path: Path) -> None:
    """Ownership goes to the next opener, not to one that was there."""
    killed = Opener(tmp_path)
    attached = open_embedded(tmp_path)
    killed.kill()
    assert not attached.owned
    attached.close()
    assert _answers(killed.url)
    with open_embedded(tmp_path) as adopted:
        assert adopted.owned


def test_a_killed_server_is_started_again_on_its_data(tmp_path: Path) -> None:
    """After `kill -9` of the server, acknowledged writes are there, and the living owner stays the owner."""
    with open_embedded(tmp_path) as owner:
        _put(owner.url, "key")
        os.kill(_server_process(tmp_path), signal.SIGKILL)
        with open_embedded(tmp_path) as second:
            assert not second.owned
            assert _has(owner.url, "key")
        assert _answers(owner.url)
    assert not _answers(owner.url)


def test_closing_after_the_server_died_is_quiet(tmp_path: Path) -> None:
    """An owner whose server was killed closes without an error."""
    server = open_embedded(tmp_path)
    os.kill(_server_process(tmp_path), signal.SIGKILL)
    server.close()
    assert not server.owned


def test_an_owner_that_ends_without_close_stops_the_server(tmp_path: Path) -> None:
    """An exception that ends the process stops the server properly."""
    failing = Opener(tmp_path, "sys.stdin.readline(); sys.stderr = None; raise SystemExit('an error')")
    assert failing.owned
    failing.finish()
    assert not _answers(failing.url)


def test_ctrl_c_reaches_the_owner_alone(tmp_path: Path) -> None:
    """SIGINT to the owner's process group lets the owner write before the server stops."""
    code = """
import redis, time
try:
    print("waiting", flush=True)
    sys.stdin.readline()
except KeyboardInterrupt:
    time.sleep(0.5)
    print(redis.Redis.from_url(server.url).set("key", "there"))
    server.close()
"""
    opener = Opener(tmp_path, code)
    assert opener.hear().strip() == "waiting"  # Within its `try`: the imports before it take a while.
    assert opener.interrupt().strip() == "True"
    with open_embedded(tmp_path) as again:
        assert _has(again.url, "key")


def test_a_forked_child_owns_nothing(tmp_path: Path) -> None:
    """A child made by fork neither stops its parent's server nor takes it over."""
    with open_embedded(tmp_path) as server:
        child = os.fork()
        if child == 0:
            owned = server.owned
            server.close()
            os._exit(owned or open_embedded(tmp_path).owned)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert _answers(server.url)


def test_many_openers_at_once_get_one_server(tmp_path: Path) -> None:
    """Threads that open a folder at the same moment share one server with one owner."""
    with ThreadPoolExecutor(8) as pool:
        servers = list(pool.map(lambda _: open_embedded(tmp_path), range(8)))
    assert len({server.url for server in servers}) == 1
    assert sum(server.owned for server in servers) == 1
    for server in servers:
        server.close()


def test_processes_that_open_at_once_get_one_server(tmp_path: Path) -> None:
    """Processes that open a folder at the same moment share one server with one owner."""
    with ThreadPoolExecutor(3) as pool:
        openers = list(pool.map(lambda _: Opener(tmp_path), range(3)))
    assert len({opener.url for opener in openers}) == 1
    assert sum(opener.owned for opener in openers) == 1
    for opener in sorted(openers, key=lambda opener: opener.owned):
        opener.finish()


def test_two_names_are_two_servers(tmp_path: Path) -> None:
    """A second server of the same folder has data and settings of its own."""
    with open_embedded(tmp_path) as online, open_embedded(tmp_path, "log", {"appendfsync": "always"}) as log:
        assert online.url != log.url
        with Redis.from_url(log.url, decode_responses=True) as client:
            assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_others_cannot_get_in(tmp_path: Path) -> None:
    """The folder is for its owner alone, and the server asks for the password in it."""
    with open_embedded(tmp_path) as server:
        assert stat.S_IMODE((tmp_path / "online").stat().st_mode) == 0o700
        with Redis.from_url("redis://" + server.url.split("@")[1]) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()


def test_a_taken_port_is_left_for_another(tmp_path: Path) -> None:
    """A port that somebody else took meanwhile is given up, and the data is there at another one."""
    with open_embedded(tmp_path) as server:
        _put(server.url, "key")
    address = Address.read(tmp_path / "online" / "address.json")
    assert address is not None
    with embedded_at(tmp_path / "other", address), open_embedded(tmp_path) as again:
        assert again.url != server.url
        assert _has(again.url, "key")


def embedded_at(folder: Path, address: Address) -> EmbeddedServer:
    """A server of another folder that listens at this address."""
    (folder / "online").mkdir(parents=True)
    address.write(folder / "online" / "address.json")
    return open_embedded(folder)


def test_a_broken_address_file_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    """A server that is not running starts at a fresh address, on its data."""
    with open_embedded(tmp_path) as server:
        _put(server.url, "key")
    (tmp_path / "online" / "address.json").write_text("{")
    with open_embedded(tmp_path) as again:
        assert _has(again.url, "key")


def test_a_broken_address_file_of_a_living_server_is_an_error(tmp_path: Path) -> None:
    """A living server is never doubled: the error names the folder and the process to end."""
    with open_embedded(tmp_path) as server:
        file = tmp_path / "online" / "address.json"
        content = file.read_text()
        file.write_text("{")
        with pytest.raises(StoreUnavailableError, match=rf"online.*address file.*{_server_process(tmp_path)}"):
            open_embedded(tmp_path)
        file.write_text(content)
        assert _answers(server.url)


def test_a_server_that_hangs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lives but gives no answer is not doubled either."""
    monkeypatch.setattr("tilefold.stores.embedded_process._ANSWER_TIMEOUT_S", 0.05)
    monkeypatch.setattr("tilefold.stores.embedded_process._CONTROL_TIMEOUT_S", 0.05)
    with open_embedded(tmp_path):
        os.kill(_server_process(tmp_path), signal.SIGSTOP)
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            open_embedded(tmp_path)
        os.kill(_server_process(tmp_path), signal.SIGCONT)


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
        assert _answers(server.url)


def test_a_broken_data_file_is_an_error(tmp_path: Path) -> None:
    """Data that the server cannot load is never thrown away silently."""
    with open_embedded(tmp_path) as server:
        _put(server.url, "key")
    broken = next((tmp_path / "online" / "appendonlydir").glob("*.incr.aof"))
    broken.write_bytes(b"*3\r\n$3\r\nSET\r\n!!!" + broken.read_bytes())
    with pytest.raises(StoreUnavailableError, match="Bad file format"):
        open_embedded(tmp_path)
    assert broken.exists()


def test_it_opens_in_a_thread(tmp_path: Path) -> None:
    """Opening and closing need no main thread."""
    urls: list[str] = []

    def work() -> None:
        with open_embedded(tmp_path) as server:
            urls.append(server.url)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(urls) == 1

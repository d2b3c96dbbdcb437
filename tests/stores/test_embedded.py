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

from tests.stores.servers import Opener, answers, has, put, server_process
from tilefold.stores.address import Address
from tilefold.stores.embedded import open_embedded


def test_the_first_opener_owns_and_later_ones_attach(tmp_path: Path) -> None:
    """In one process: one owner, the same server for all, and closing an attached one stops nothing."""
    with open_embedded(tmp_path) as first:
        second = open_embedded(tmp_path)
        assert (first.owned, second.owned) == (True, False)
        assert first.url == second.url
        second.close()
        assert answers(first.url)


def test_another_process_attaches_and_never_stops_it(tmp_path: Path) -> None:
    """An opener in another process does not own, and its close leaves the server running."""
    with open_embedded(tmp_path) as first:
        other = Opener(tmp_path)
        assert not other.owned
        other.finish()
        assert answers(first.url)


def test_close_returns_after_the_server_has_exited(tmp_path: Path) -> None:
    """After the owner's close no process is left, and closing again does nothing."""
    server = open_embedded(tmp_path)
    process = server_process(tmp_path, "online")
    server.close()
    server.close()
    assert not server.owned
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_data_is_there_after_a_restart_at_the_same_place(tmp_path: Path) -> None:
    """What was written is kept, and the port and password too, so that other clients find the new server."""
    with open_embedded(tmp_path) as server:
        put(server.url, "key")
    with open_embedded(tmp_path) as again:
        assert again.url == server.url
        assert has(again.url, "key")


def test_an_orphan_is_adopted(tmp_path: Path) -> None:
    """A server whose owner was killed goes on, belongs to the next opener, and loses nothing."""
    killed = Opener(tmp_path)
    put(killed.url, "key")
    killed.kill()
    assert answers(killed.url)
    adopted = open_embedded(tmp_path)
    assert adopted.owned
    assert adopted.url == killed.url
    assert has(adopted.url, "key")
    adopted.close()
    assert not answers(adopted.url)


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
    assert answers(killed.url)
    with open_embedded(tmp_path) as adopted:
        assert adopted.owned


def test_a_killed_server_is_started_again_on_its_data(tmp_path: Path) -> None:
    """After `kill -9` of the server, acknowledged writes are there, and the living owner stays the owner."""
    with open_embedded(tmp_path) as owner:
        put(owner.url, "key")
        os.kill(server_process(tmp_path, "online"), signal.SIGKILL)
        with open_embedded(tmp_path) as second:
            assert not second.owned
            assert has(owner.url, "key")
        assert answers(owner.url)
    assert not answers(owner.url)


def test_closing_after_the_server_died_is_quiet(tmp_path: Path) -> None:
    """An owner whose server was killed closes without an error."""
    server = open_embedded(tmp_path)
    os.kill(server_process(tmp_path, "online"), signal.SIGKILL)
    server.close()
    assert not server.owned


def test_an_owner_that_ends_without_close_stops_the_server(tmp_path: Path) -> None:
    """An exception that ends the process stops the server properly."""
    failing = Opener(tmp_path, "sys.stdin.readline(); sys.stderr = None; raise SystemExit('an error')")
    assert failing.owned
    failing.finish()
    assert not answers(failing.url)


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
        assert has(again.url, "key")


def test_a_forked_child_owns_nothing(tmp_path: Path) -> None:
    """A child made by fork neither stops its parent's server nor takes it over."""
    with open_embedded(tmp_path) as server:
        child = os.fork()
        if child == 0:
            owned = server.owned
            server.close()
            os._exit(owned or open_embedded(tmp_path).owned)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert answers(server.url)


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

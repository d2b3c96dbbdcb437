"""Servers for tests: the embedded one with odd settings, a foreign Redis, and openers in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError

from tilefold.stores.address import Address

REDIS = "/usr/bin/redis-server"
_OPENER = """
import sys
from pathlib import Path
from tilefold.stores.embedded import open_embedded
server = open_embedded(Path(sys.argv[1]))
print(server.owned, server.url, flush=True)
"""


class Opener:
    """A process that opens the embedded store of a folder, says so, and then runs `code` with `server` at hand."""

    def __init__(self, folder: Path, code: str = "sys.stdin.readline(); server.close()") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{_OPENER}\n{code}", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        owned, self.url = self.process.stdout.readline().split()
        self.owned = owned == "True"

    def hear(self) -> str:
        """The next line it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self._reap()

    def interrupt(self) -> str:
        """Press Ctrl-C: SIGINT to its whole process group; what it said until it ended."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self._reap()

    def finish(self) -> str:
        """Let it run `code` to its end; what it said."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        return self._reap()

    def _reap(self) -> str:
        said, _ = self.process.communicate(timeout=30)
        return said


@contextmanager
def foreign_redis(folder: Path, *settings: str) -> Iterator[str]:
    """The URL of a Debian `redis-server` in `folder`, with further settings; without one, the test fails and says so."""
    assert Path(REDIS).exists(), f"{REDIS} is missing: apt-get install redis-server (this test needs a foreign Redis)"
    address = Address.fresh()
    command = [REDIS, "--port", str(address.port), "--requirepass", address.password, "--dir", str(folder), "--save", ""]
    command += settings
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(address.url)
        yield address.url
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    """Return when the server at `url` answers."""
    deadline_s = time.monotonic() + 10
    with Redis.from_url(url) as client:
        while time.monotonic() < deadline_s:
            with suppress(NoConnectionError):
                client.ping()
                return
            time.sleep(0.02)
    raise AssertionError(f"no answer within 10 s from {url}")


def answers(url: str) -> bool:
    """Whether a server answers there."""
    with Redis.from_url(url, retry=None) as client:
        try:
            return bool(client.ping())
        except NoConnectionError:
            return False


def put(url: str, key: str) -> None:
    """Set a key."""
    with Redis.from_url(url) as client:
        client.set(key, "there")


def has(url: str, key: str) -> bool:
    """Whether a key is as it was put."""
    with Redis.from_url(url) as client:
        return client.get(key) == b"there"


def server_process(folder: Path, name: str) -> int:
    """The process of the embedded server of this name."""
    return int((folder / name / "server.pid").read_text())

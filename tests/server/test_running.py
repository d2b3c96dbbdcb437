"""How a server runs in a process: addresses, signals, its end."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import PROJECT, environment
from tests.server.servers import GET, params, served
from tilefold import Workspace
from tilefold.errors import FileError, InputError
from tilefold.server import running
from tilefold.server.http import bound, url_of
from tilefold.server.options import ServerOptions

SCRIPT = """
import signal
from tests.pipelines import declare
from tilefold import Workspace
from tilefold.server.running import Running

def noted(number, frame):
    raise SystemExit("never")

signal.signal(signal.SIGTERM, noted)
with Workspace({root!r}, [declare()]) as ws:
    ws.serve(port=0, running=Running(started=lambda url: print(url, flush=True)))
    print(signal.getsignal(signal.SIGTERM) is noted, signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_main_thread(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it in order, and whoever heard signals before hears them again."""
    command = [sys.executable, "-c", SCRIPT.format(root=str(tmp_path / "data"))]
    with subprocess.Popen(command, cwd=PROJECT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.send_signal(number)
        assert process.stdout.read().split() == ["True", "True"]
        assert process.wait(30) == 0


def test_in_another_thread(shop: Workspace) -> None:
    """It takes no signal, and ends when it is told to."""
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in heard]
    with served(shop) as client:
        assert [signal.getsignal(each) for each in heard] == before
        assert client.get("/healthz").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{client.base_url}/healthz")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_addresses(host: str) -> None:
    """Both families are listened at, and told as a URL."""
    with bound(host, 0) as listening:
        url = url_of(listening, ServerOptions())
        assert url.startswith("http://[::1]:" if listening.family is socket.AF_INET6 else "http://127.0.0.1:")


def test_addresses_that_are_not_ours(shop: Workspace) -> None:
    """A taken port, an address of another machine and a name that is none are told."""
    with bound("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"its address must be there and free \(Address already in use\); got '127.0.0.1:{port}'"
        ):
            shop.serve(port=port)
    with pytest.raises(InputError, match="Cannot assign requested address"):
        bound("192.0.2.1", 0)
    with pytest.raises(InputError, match="its address must be there and free"):
        bound("no.such.host.invalid", 0)


def test_options(tmp_path: Path, shop: Workspace) -> None:
    """What cannot be served with is told before anything is."""
    with pytest.raises(InputError, match="TLS needs a certificate and its key"):
        ServerOptions(tls_cert="cert.pem")
    with pytest.raises(InputError, match="requests_max must be at least 1; got 0"):
        ServerOptions(requests_max=0)
    with pytest.raises(InputError, match="cache_ttl_s must not be negative; got -1"):
        ServerOptions(cache_ttl_s=-1)
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(FileError, match=r"files in PEM that belong together \(No such file or directory\)"):
        shop.serve(port=0, options=ServerOptions(tls_cert=missing, tls_key=missing))
    with pytest.raises(InputError, match="without API keys it only listens on loopback"):
        shop.serve("0.0.0.0", 0)


def test_a_body_that_stalls(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is closed when its time is over; one that comes in pieces but in time is answered."""
    monkeypatch.setattr(running, "BODY_S", 2.5)
    with served(shop) as client, socket.create_connection((client.base_url.host, client.base_url.port or 0)) as stalled:
        head = f"POST {GET} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
        stalled.sendall(head.encode() + b"{")
        stalled.settimeout(30)

        def slowly() -> Iterator[bytes]:
            body = json.dumps(params("spend", {"user": "ann"})).encode()
            yield body[:10]
            time.sleep(1.2)
            yield body[10:]

        assert client.post(GET, content=slowly()).status_code == 200
        assert stalled.recv(100) == b""

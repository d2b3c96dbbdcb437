"""TLS by option: the certificate that was given is the one that clients see, and files that do not fit are told."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from tests.server.servers import served
from tilefold import Workspace
from tilefold.errors import FileError, InputError
from tilefold.server.http import http_config
from tilefold.server.options import ServerOptions


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs certificates."""
    return trustme.CA()


def files_of(authority: trustme.CA, folder: Path, name: str = "127.0.0.1") -> dict[str, str]:
    """A certificate of this machine and its key, as the server's options name them."""
    issued, paths = authority.issue_cert(name), {"tls_cert": folder / f"{name}.pem", "tls_key": folder / f"{name}.key"}
    issued.cert_chain_pems[0].write_to_path(str(paths["tls_cert"]))
    issued.private_key_pem.write_to_path(str(paths["tls_key"]))
    return {option: str(path) for option, path in paths.items()}


def test_clients_see_the_certificate(shop: Workspace, authority: trustme.CA, tmp_path: Path) -> None:
    """A client that trusts its signer is answered over TLS; one that does not, or that speaks plain HTTP, is not."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with served(shop, **files_of(authority, tmp_path)) as distrusting:
        url = str(distrusting.base_url)
        assert url.startswith("https://")
        with httpx.Client(verify=trusting) as client:
            assert client.get(f"{url}/healthz").json() == {"status": "alive"}
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            distrusting.get("/healthz")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{url.replace('https', 'http')}/healthz")


def test_old_protocols_are_refused(authority: trustme.CA, tmp_path: Path) -> None:
    """Nothing below TLS 1.2 is spoken."""
    context = http_config(None, ServerOptions(**files_of(authority, tmp_path))).ssl
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_half_a_pair_is_refused() -> None:
    """A certificate without its key is told before anything is opened."""
    with pytest.raises(InputError, match="TLS needs a certificate and its key"):
        ServerOptions(tls_cert="server.pem")


def test_files_that_do_not_fit_are_told(shop: Workspace, authority: trustme.CA, tmp_path: Path) -> None:
    """A key of another certificate, no file at all, no PEM: one message that names both options."""
    one, other = files_of(authority, tmp_path), files_of(authority, tmp_path, "localhost")
    (tmp_path / "text").write_text("no PEM")
    for cert, key in [
        (one["tls_cert"], other["tls_key"]),
        ("missing.pem", one["tls_key"]),
        (str(tmp_path / "text"), one["tls_key"]),
    ]:
        with pytest.raises(FileError, match="--tls-cert and --tls-key"):
            shop.serve("127.0.0.1", 0, options=ServerOptions(tls_cert=cert, tls_key=key))

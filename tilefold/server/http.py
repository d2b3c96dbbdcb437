"""The HTTP server under the application: Uvicorn with httptools and uvloop (ADR 0015 has the figures).

The rule: what is said before the application is asked (a request that is no HTTP) is JSON too. Nothing about the software is
told.
"""

import logging
import os
import socket
from ssl import SSLError, TLSVersion
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tilefold.errors import FileError, InputError, complaint
from tilefold.server.answers import JSON
from tilefold.server.options import ServerOptions
from tilefold.server.refusals import refusal_of_status

KEEP_ALIVE_S = 75  # longer than clients keep idle connections, so that they are the ones to close them
BACKLOG = 2048


class JsonHttp(HttpToolsProtocol):
    """Uvicorn's protocol, that refuses in JSON."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, and close."""
        body = refusal_of_status(400).answer().body
        heads = {b"content-type": JSON, b"content-length": b"%d" % len(body), b"connection": b"close"}
        lines = b"".join(b"%b: %b\r\n" % pair for pair in heads.items())
        logging.getLogger(__name__).info("%s", msg)
        self.transport.write(STATUS_LINE[400] + lines + b"\r\n" + body)
        self.transport.close()


def http_config(app: Any, options: ServerOptions) -> uvicorn.Config:
    """How Uvicorn runs an application.

    Raises
    ------
    FileError
        If the certificate or its key cannot be used.
    """
    config = uvicorn.Config(
        app,
        http=JsonHttp,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=options.shutdown_s,
        backlog=BACKLOG,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    try:
        config.load()
    except (OSError, SSLError) as error:
        given = f"{options.tls_cert}, {options.tls_key}"
        rule = f"its TLS certificate and key must be files in PEM that belong together ({error.strerror or error})"
        raise FileError(complaint("the server", rule, given, "Name the right files with --tls-cert and --tls-key.")) from error
    if config.ssl is not None:
        config.ssl.minimum_version = TLSVersion.TLSv1_2  # Python leaves it to how the system's OpenSSL is set up
    return config


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; port 0 is any free one.

    Raises
    ------
    InputError
        If it cannot.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((address[0], address[1]), family=family, backlog=BACKLOG)
    except OSError as error:
        mend = "Stop what listens there, choose another port, or give an address of this machine."
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)  # asyncio's says more
        rule = f"its address must be there and free ({reason})"
        raise InputError(complaint("the server", rule, f"{host}:{port}", mend)) from error


def url_of(listening: socket.socket, options: ServerOptions) -> str:
    """Where clients reach it."""
    host, port = listening.getsockname()[:2]
    return f"{options.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

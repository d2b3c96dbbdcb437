"""`tilefold serve`: the feature server as a command, with as many worker processes as are asked for.

The rule: this process binds the address and opens the workspace, so that it owns the embedded servers for as long as a worker
lives; workers share the one socket, so that a connection waits in it rather than being refused while one of them is away. A
worker that dies is started again. SIGHUP goes on to the workers, which take up new definitions between two requests; Ctrl-C and
SIGTERM end the workers, which finish what they are at.
"""

import contextlib
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from tilefold.cli.faults import FAULT, say
from tilefold.cli.session import Session
from tilefold.errors import InputError, complaint
from tilefold.server.http import bound, url_of
from tilefold.server.metrics import counting_together
from tilefold.server.options import ServerOptions
from tilefold.server.running import Running, check_served, keys_of
from tilefold.workspace import Workspace

_LOOK_S = 0.2
_QUICK_S = 5.0  # a worker that ends sooner than this has not begun well
_QUICK_ENDS_MAX = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was told.

    Attributes
    ----------
    listening
        The number of an open socket: this is one of the workers.
    with_parent
        End with the process that started this one, too.
    """

    host: str
    port: int
    workers: int
    options: ServerOptions
    listening: int | None = None
    with_parent: bool = False


def run_serve(session: Session, asked: Asked) -> int:
    """Serve until told to end; the exit code."""
    if asked.listening is not None:
        return _work(session, asked, socket.socket(fileno=asked.listening))
    if asked.workers < 1:
        raise InputError(complaint("tilefold serve", "there must be at least one worker", asked.workers, "Give --workers 1."))
    with session.workspace() as keeper:
        check_served(asked.host, keys_of(keeper.root), asked.options)
        keeper.open_streams()
        with counting_together(), bound(asked.host, asked.port) as listening, _told() as told:
            where = f"{url_of(listening, asked.options)} with {asked.workers} worker(s)"
            say(f"Serving {_names(keeper)} at {where}. Ctrl-C ends it.")
            return _keep(session, asked, listening, told)


def _names(keeper: Workspace) -> str:
    definitions = keeper.definitions
    return f"{len(definitions.services)} services and {len(definitions.views)} views"


def _work(session: Session, asked: Asked, listening: socket.socket) -> int:
    """One worker: ends with the process that started it, too."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING, stream=sys.stderr)
    running = Running(listening=listening, settled=_settle)
    parent = os.getppid()

    def watch() -> None:
        while not running.stop.wait(_LOOK_S):
            if os.getppid() != parent:
                running.stop.set()

    threading.Thread(target=watch, daemon=True, name="watch the parent").start()
    with session.workspace() as workspace:
        workspace.serve(asked.host, asked.port, options=asked.options, running=running, reopen=session.workspace)
    running.stop.set()
    return 0


def _settle() -> None:
    """Let the collector pass over what is there to stay: a full collection would take a tenth of a second from all requests."""
    gc.unfreeze()  # definitions that were replaced may go
    gc.collect()
    gc.freeze()


class _Told:
    """What signals have asked for."""

    def __init__(self) -> None:
        self.end, self.reload = threading.Event(), threading.Event()
        self.any = threading.Event()

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take note; the loop does the rest."""
        del frame
        (self.reload if number == signal.SIGHUP else self.end).set()
        self.any.set()


@contextlib.contextmanager
def _told() -> Iterator[_Told]:
    told = _Told()
    before = {number: signal.signal(number, told.note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _keep(session: Session, asked: Asked, listening: socket.socket, told: _Told) -> int:
    """Keep the workers alive until the end."""
    workers = [_started(session, asked, listening) for _ in range(asked.workers)]
    quick_ends, parent = 0, os.getppid()
    try:
        while not told.end.is_set():
            told.any.wait(_LOOK_S)
            told.any.clear()
            if asked.with_parent and os.getppid() != parent:
                break
            if told.reload.is_set():
                told.reload.clear()
                _signal(workers, signal.SIGHUP)
            for number, worker in enumerate(workers):
                if worker.process.poll() is None:
                    continue
                quick_ends = quick_ends + 1 if time.monotonic() - worker.began_s < _QUICK_S else 0
                say(f"Worker {worker.process.pid} ended with code {worker.process.returncode}.")
                if quick_ends >= _QUICK_ENDS_MAX:
                    return FAULT
                workers[number] = _started(session, asked, listening)
    finally:
        say("Stopping: requests in flight are finished ...")
        _signal(workers, signal.SIGTERM)
        _wait(workers, asked.options.shutdown_s + _QUICK_S)
    return 0


@dataclass(frozen=True, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    began_s: float


def _started(session: Session, asked: Asked, listening: socket.socket) -> _Worker:
    """A worker in a session of its own, so that Ctrl-C reaches us alone."""
    number, options = listening.fileno(), asked.options
    given = ["--host", asked.host, "--port", str(asked.port), "--listening", str(number), *_arguments(options)]
    command = [sys.executable, "-m", "tilefold", *(["--debug"] if session.debug else []), "serve", *given]
    env = {**os.environ, **session.environment()}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # inherited: it waits until the worker can take it
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=env, pass_fds=[number], stdin=subprocess.DEVNULL, start_new_session=True
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    return _Worker(process, time.monotonic())


def _arguments(options: ServerOptions) -> list[str]:
    given = {
        "--tls-cert": options.tls_cert,
        "--tls-key": options.tls_key,
        "--cache-ttl": f"{options.cache_ttl_s:g}",
        "--requests-max": str(options.requests_max),
    }
    return [word for name, value in given.items() if value is not None for word in (name, value)]


def _signal(workers: Sequence[_Worker], number: signal.Signals) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.send_signal(number)


def _wait(workers: Sequence[_Worker], within_s: float) -> None:
    """Return when none lives; those that take too long are killed."""
    deadline_s = time.monotonic() + within_s
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()

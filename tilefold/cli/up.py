"""`tilefold up`: the Dagster UI with everything behind it, in the foreground.

The rule: this process owns the embedded server and starts the web server and the daemon. Whatever ends it (Ctrl-C, SIGTERM, a
closed terminal, a child that dies), it ends all of them, in this order: Dagster first, the store last. When it returns, none
is in the process table, not even as one that waits to be reaped. A Dagster home has one daemon: a second would run every
schedule twice, so a second `up` on the same root is refused.
"""

import contextlib
import errno
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from tilefold.cli.faults import FAULT, say
from tilefold.cli.orphans import Orphans
from tilefold.cli.processes import Child, stop_all
from tilefold.cli.project import WORKSPACE_FILE, Project
from tilefold.cli.session import Session
from tilefold.errors import InputError, complaint
from tilefold.stores.locks import ProcessLock

DEFAULT_PORT = 3000
_LOOK_S = 0.5
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_up(session: Session, host: str, port: int) -> int:
    """Start everything and stay; the exit code.

    Raises
    ------
    InputError
        If the port is taken, or another one is up on this root.
    """
    project = Project.of(session)
    project.prepare()
    url = f"http://{host}:{port}"
    with _told_to_end() as end, _alone(project.home, url), session.workspace():
        _check_port(host, port)
        project.make_records(session)
        orphans = Orphans()
        children = _start(project, session, host, port)
        try:
            return _stay(children, orphans, end, url)
        finally:
            say("Stopping ...")
            stop_all(children)
            orphans.end()
            say("Dagster has stopped; closing the store.")


def _start(project: Project, session: Session, host: str, port: int) -> list[Child]:
    env, logs = project.environment(session), project.home / "output"
    commands = {
        "webserver": project.command("dagster_webserver", "-h", host, "-p", str(port), "-w", WORKSPACE_FILE),
        "daemon": project.command("dagster._daemon", "run", "-w", WORKSPACE_FILE),
    }
    children: list[Child] = []
    try:
        for name, command in commands.items():
            children.append(Child.start(name, command, project.folder, logs / f"{name}.log", env))
    except BaseException:
        stop_all(children)
        raise
    return children


def _stay(children: Sequence[Child], orphans: Orphans, end: threading.Event, url: str) -> int:
    """Tell when the UI answers, then wait until the end or until a child dies."""
    expected = {child.process.pid for child in children}
    say(f"Starting Dagster (logs in {children[0].log.parent}) ...")
    began, ready = time.monotonic(), False
    while not end.wait(_LOOK_S):
        for child in children:
            if child.ended:
                say(f"{child.name} ended by itself with code {child.process.returncode}. Its last words:\n{child.tail()}")
                return FAULT
        orphans.reap(expected)
        if not ready and _answers(f"{url}/server_info"):
            ready = True
            say(f"Dagster UI: {url} (after {time.monotonic() - began:.0f} s). Ctrl-C stops everything.")
    return 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_LOOK_S):  # noqa: S310 - our own address
            return True
    except (OSError, urllib.error.URLError):
        return False


def _check_port(host: str, port: int) -> None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        port_alone = error.errno in {errno.EADDRINUSE, errno.EACCES}  # else this machine has no such address
        mend = (
            "Stop what listens there, or choose another with --port."
            if port_alone
            else "Give --host an address of this machine."
        )
        raise InputError(
            complaint("the Dagster UI", f"its address must be free ({error.strerror})", f"{host}:{port}", mend)
        ) from error


@contextlib.contextmanager
def _alone(home: Path, url: str) -> Iterator[None]:
    """Hold the Dagster home; whoever else wants it is told where it is up."""
    lock, address = ProcessLock(home / "up.lock"), home / "up.url"
    if not lock.take():
        where = address.read_text() if address.exists() else "another address"
        mend = f"Look at {where}, end that one (Ctrl-C where it runs), or name another --root."
        raise InputError(complaint("tilefold up", "it must be the only one on its root", str(home.parent), mend))
    try:
        address.write_text(url)
        yield
    finally:
        address.unlink(missing_ok=True)
        lock.let_go()


@contextlib.contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """An event that is set by the signals that mean the end; a second one of them changes nothing."""
    end = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        del number, frame
        end.set()

    heard = [number for number in _ENDINGS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""`tilefold up`: the Dagster UI with everything behind it, in the foreground.

The rule: this process owns the embedded servers and starts the stream writer, where there is a stream, Dagster's web server and
daemon, and where they are asked for the feature server and the replay. Whatever ends it (Ctrl-C, SIGTERM, a closed terminal, a
child that dies), it ends all of them, in this order: the replay, Dagster, the server, the writer, the stores last. When it
returns, none is in the process table, not even as one that waits to be reaped. A Dagster home has one daemon: a second would
run every schedule twice, so a second `up` on the same root is refused.
"""

import errno
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

from tilefold.cli.endings import told_to_end
from tilefold.cli.faults import FAULT, say
from tilefold.cli.one_up import alone
from tilefold.cli.orphans import Orphans
from tilefold.cli.processes import Child, stop_all
from tilefold.cli.project import WORKSPACE_FILE, Project
from tilefold.cli.session import Session
from tilefold.cli.writing import stream_sources
from tilefold.demo.departures import SOURCE
from tilefold.demo.replay import check_speed
from tilefold.errors import InputError, complaint
from tilefold.server.access import check_open
from tilefold.server.running import keys_of

DEFAULT_PORT = 3000
SERVER_URL = "TILEFOLD_SERVER_URL"  # read by resources/settings.py
_LOOK_S = 0.5


def run_up(session: Session, host: str, port: int, speed: float = 0.0, serve_port: int = 0) -> int:
    """Start everything and stay; the exit code.

    Parameters
    ----------
    speed
        Of the replay of the demo's departures; 0 for none.
    serve_port
        Where the feature server listens; 0 for none.

    Raises
    ------
    InputError
        If a port is taken, another one is up on this root, or the speed is out of its range.
    """
    if speed:
        check_speed(speed)
    project = Project.of(session)
    project.prepare()
    url = f"http://{host}:{port}"
    with told_to_end() as end, alone(project.home, url), session.workspace() as workspace:
        workspace.open_streams()
        _check_port("the Dagster UI", host, port)
        if serve_port:
            _check_port("the feature server", host, serve_port)
            check_open(host, keys_of(workspace.root))
            os.environ[SERVER_URL] = f"http://{host}:{serve_port}"  # so that Dagster looks at it
        project.make_records(session)
        orphans, stages = Orphans(), list[list[Child]]()
        try:
            for commands in _stages(project, host, port, stream_sources(workspace.definitions), speed, serve_port):
                stages.append(_started(project, session, commands))
            return _stay([child for stage in stages for child in stage], orphans, end, url)
        finally:
            say("Stopping ...")
            for stage in reversed(stages):
                stop_all(stage)
            orphans.end()
            say("All have stopped; closing the store.")


def _stages(
    project: Project, host: str, port: int, streams: Sequence[str], speed: float, serve_port: int
) -> Iterator[dict[str, list[str]]]:
    """The commands by name, in stages: they are stopped in the reverse order."""
    if streams:
        yield {"writer": project.command("tilefold", "write-stream", "--with-parent")}
    if serve_port:
        yield {"server": project.command("tilefold", "serve", "--host", host, "--port", str(serve_port), "--with-parent")}
    yield {
        "webserver": project.command("dagster_webserver", "-h", host, "-p", str(port), "-w", WORKSPACE_FILE),
        "daemon": project.command("dagster._daemon", "run", "-w", WORKSPACE_FILE),
    }
    if speed and SOURCE in streams:
        yield {"replay": project.command("tilefold", "replay", "--speed", f"{speed:g}", "--with-parent")}
    elif speed:
        say(f"No replay: the definitions declare no source '{SOURCE}'.")


def _started(project: Project, session: Session, commands: Mapping[str, Sequence[str]]) -> list[Child]:
    """Children that run these commands; none where one of them cannot be started."""
    env, logs = project.environment(session), project.home / "output"
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


def _check_port(thing: str, host: str, port: int) -> None:
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
        raise InputError(complaint(thing, f"its address must be free ({error.strerror})", f"{host}:{port}", mend)) from error

"""`tilefold doctor`: runs the checks, shows a line for each thing found, and binds a folder to another store when asked."""

from rich.console import Console
from rich.markup import escape

from tilefold.cli.checks import CHECKS
from tilefold.cli.faults import say
from tilefold.cli.findings import Finding, Level
from tilefold.cli.session import Session
from tilefold.serving.home import DEFAULT_NAME, EMBEDDED, bind_online, bind_stream
from tilefold.stores.online_store import OnlineStore

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def examine(session: Session, out: Console) -> bool:
    """Show what every check finds; whether nothing failed."""
    findings: list[Finding] = []
    for check in CHECKS:
        for finding in check(session):
            findings.append(finding)
            show_finding(finding, out)
    bad = sum(finding.level is Level.FAIL for finding in findings)
    out.print(f"{bad} of {len(findings)} need mending." if bad else "Nothing needs mending.")
    return not bad


def show_finding(finding: Finding, out: Console) -> None:
    """One line, and below it what mends it."""
    colour = _COLOURS[finding.level]
    out.print(f"[{colour}]{finding.level:<4}[/]  {escape(finding.subject)}: {escape(finding.found)}", soft_wrap=True)
    if finding.mend:
        out.print(f"      -> {escape(finding.mend)}", soft_wrap=True)


def bind(session: Session, online: str) -> None:
    """Bind the root to another store; the next materialization writes it in full.

    Raises
    ------
    InputError, StoreUnavailableError, StorePolicyError
        If that store cannot be used; nothing is changed then.
    """
    url = None if online == EMBEDDED else online
    if url is not None:
        OnlineStore.connect(url, session.name or DEFAULT_NAME).close()
    before = bind_online(session.root, url, session.name)
    session.online = url
    say(
        f"{session.root} was bound to the store {before}; now it is bound to "
        f"{'an embedded one' if url is None else 'this one'}."
    )


def move_stream(session: Session, stream: str) -> None:
    """Bind the root's streams to another place, where their logs begin anew; what the old ones hold must have been drained."""
    session.stream = None if stream == EMBEDDED else stream
    before = bind_stream(session.root, session.stream, session.name)
    say(f"{session.root} had its streams in {before}; now they are {'embedded' if session.stream is None else 'in this one'}.")

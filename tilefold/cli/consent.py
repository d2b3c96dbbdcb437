"""Asks before what cannot be undone.

The rule: nobody is asked who cannot answer: where no person sits at a terminal, consent is given by an option or not at all.
"""

import sys

import typer

from tilefold.errors import InputError, complaint


def require_consent(question: str, *, given: bool) -> None:
    """Return if the person agrees; end the command if not.

    Parameters
    ----------
    given
        Whether `--yes` was.

    Raises
    ------
    InputError
        If nobody can be asked.
    """
    if given:
        return
    if not sys.stdin.isatty():
        mend = "Add --yes."
        raise InputError(
            complaint("command", "what cannot be undone wants consent, and nobody sits at this input", question, mend)
        )
    typer.confirm(question, abort=True)

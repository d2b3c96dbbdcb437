"""Numbers that the environment may set, for the processes of Dagster.

The rule: a value that is out of bounds stops the loading, with the variable's name; it is never bent.
"""

import math
import os
from dataclasses import dataclass

from tilefold.errors import InputError, complaint


@dataclass(frozen=True, slots=True)
class Setting:
    """A number by the name of its variable, with its default and the least that it may be."""

    variable: str
    default: float
    least: float

    def value(self) -> float:
        """What the environment says, or the default.

        Raises
        ------
        InputError
            If it is no number, or below the least.
        """
        given = os.environ.get(self.variable) or str(self.default)
        try:
            number = float(given)
        except ValueError:
            number = math.nan
        if not self.least <= number < math.inf:
            mend = f"Write a number such as {self.default:g}, or leave it out."
            raise InputError(complaint(self.variable, f"it must be a number of at least {self.least:g}", given, mend))
        return number


DRAIN_INTERVAL_S = Setting("TILEFOLD_DRAIN_INTERVAL_S", default=10, least=5)
HEAL_INTERVAL_S = Setting("TILEFOLD_HEAL_INTERVAL_S", default=3600, least=60)
REFUSED_SHARE_MAX = Setting("TILEFOLD_REFUSED_SHARE_MAX", default=0.01, least=0)
SERVER_P99_MAX_S = Setting("TILEFOLD_SERVER_P99_MAX_S", default=0.1, least=0)


def server_url() -> str:
    """Where the feature server is that is looked at from here; empty where there is none."""
    return os.environ.get("TILEFOLD_SERVER_URL", "").rstrip("/")


def server_key() -> str:
    """The API key that it is asked with; empty for none."""
    return os.environ.get("TILEFOLD_SERVER_KEY", "")

"""Values of features as JSON for people: the one form that the command and the explanations of the server share.

The rule: JSON holds every digit, and what it has no number for (NaN, infinities) stands as its name.
"""

import math
from typing import Any


def plain(value: Any) -> Any:
    """What JSON knows: times as ISO 8601, what no number is as its name."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)

"""What is pushed to the shop's clicks, and how its view is read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tilefold import Workspace

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
ALL = ("clicks/event_log", "user_clicks/tiles", "user_clicks/compacted", "user_clicks/online")


def partition(days_ago: int) -> str:
    """The key of a day."""
    return (MIDNIGHT - timedelta(days=days_ago)).strftime("%Y-%m-%d")


def click(user: str, days_ago: float, page: str = "home") -> dict[str, Any]:
    """A click some days before the last midnight; a negative number is today."""
    return {"user_id": user, "timestamp": MIDNIGHT - timedelta(days=days_ago), "page": page}


def push(ws: Workspace, clicks: Sequence[dict[str, Any]], refused: int = 0) -> None:
    """Ingest clicks, and others that are refused."""
    wrong = [{"user_id": f"u{number}", "timestamp": MIDNIGHT, "page": number} for number in range(refused)]
    receipt = ws.ingest("clicks", [*clicks, *wrong])
    assert (receipt.accepted, len(receipt.refused)) == (len(clicks), refused)


def counted(ws: Workspace, user: str = "u1") -> int:
    """How many clicks of a user of thirty days a read sees."""
    found: int = ws.get_features("user_clicks", {"user_id": user}).values["user_clicks.clicks_30d"]
    return found

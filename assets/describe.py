"""What assets say about themselves, in the form that Dagster takes.

The rule: whatever a person declared shows in the UI; what Dagster cannot take as an owner or a tag is shown as metadata.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import dagster as dg

from resources.settings import server_url
from tilefold.declaration.sources import Source
from tilefold.declaration.views import FeatureView

AS_OF = (
    "Partition D means as of the END of D (UTC): events before that time count, later ones do not. "
    "A past partition is computed as of then, from the events that are known now."
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TEAM = re.compile(r"[A-Za-z0-9_]+")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")

Declared = Source | FeatureView


def described(declared: Declared, what: str, *more: str) -> str:
    """A description: what the asset is, what the declaration says, and what else must be known."""
    return "\n\n".join(text for text in (what, declared.description, *more) if text)


@dataclass(frozen=True, slots=True)
class Label:
    """What an asset takes over from a declaration."""

    owners: list[str]
    tags: dict[str, str]
    metadata: dict[str, Any]


def label(declared: Declared) -> Label:
    """The owners, tags and metadata of an asset."""
    owner = _owner(declared.owner)
    tags = {key: value for key, value in declared.tags.items() if _fits(key, value)}
    rest = {f"tag {key}": value for key, value in declared.tags.items() if key not in tags}
    if declared.owner and owner is None:
        rest["owner"] = declared.owner
    return Label([owner] if owner else [], tags, {**_facts(declared), **rest})


def _owner(owner: str | None) -> str | None:
    if owner and _EMAIL.fullmatch(owner):
        return owner
    return f"team:{owner}" if owner and _TEAM.fullmatch(owner) else None


def _fits(key: str, value: str) -> bool:
    return bool(_TAG_KEY.fullmatch(key) and _TAG_VALUE.fullmatch(value)) and not key.startswith("dagster/")


def _facts(declared: Declared) -> Mapping[str, Any]:
    delay = {"data_delay": str(timedelta(microseconds=declared.data_delay_us))}
    if isinstance(declared, Source):
        return delay
    schedule = str(timedelta(microseconds=declared.schedule_us))
    features = ", ".join(feature.name for feature in declared.features)
    keys = ", ".join(field.name for field in declared.join_keys)
    facts = {"batch_schedule": schedule, "join_keys": keys, "features": features, "version": declared.version}
    return {**delay, **facts, "explain": explain_link(declared)}


def explain_link(view: FeatureView) -> dg.MetadataValue:
    """The page that explains the view's values, where a server is named and serves it."""
    if not view.online:
        return dg.MetadataValue.text("not online by its declaration")
    if not server_url():
        return dg.MetadataValue.text("set TILEFOLD_SERVER_URL for a link to the server's page, and a check of the server")
    return dg.MetadataValue.url(f"{server_url()}/explain?{urlencode({'view': view.name})}")

"""The page that explains a value: a form, the value, the picture of its tiles, and the same as tables.

The rule: no script, nothing from elsewhere, and every text that is not ours is escaped by the template engine. What a browser
may do with the page is said by `SECURITY`.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup

from tilefold.server import explain_words as words
from tilefold.server.explain_picture import ROWS_MAX, picture
from tilefold.server.explain_query import Asked
from tilefold.serving.explained import ExplainedFeature, Explanation
from tilefold.serving.read import Status

WIDE, NARROW = 1040.0, 358.0
SYMBOLS: Final = {
    Status.PRESENT: "\N{BLACK CIRCLE}",
    Status.MISSING_DATA: "\N{WHITE CIRCLE}",
    Status.STALE: "\N{BLACK UP-POINTING TRIANGLE}",
    Status.NOT_READY: "\N{BLACK SQUARE}",
    Status.OVERFLOW: "\N{MULTIPLICATION X}",
    Status.TIME_OUT: "\N{HOURGLASS}",
}
_CSS: Final = files("tilefold.server").joinpath("templates", "page.css").read_text()
_HASH: Final = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
SECURITY: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("tilefold.server"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["shown"] = words.shown
_ENVIRONMENT.globals["css"] = Markup(_CSS)  # noqa: S704 - our own file


def rendered(template: str, **facts: Any) -> str:
    """A page of a template."""
    return _ENVIRONMENT.get_template(template).render(**facts)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no explanation: what kind of mistake it is, and the message."""

    title: str
    text: str


def explain_page(definitions: Any, asked: Asked, told: Explanation | None = None, failure: Failure | None = None) -> str:
    """The page.

    Parameters
    ----------
    told
        The explanation; None while the entity is not chosen, or it failed.
    """
    view = definitions.views.get(asked.view)
    facts: dict[str, Any] = {
        "views": sorted(name for name, each in definitions.views.items() if each.online),
        "view": view,
        "features": [feature.name for feature in view.features] if view else [],
        "keys": _key_fields(view, asked) if view else [],
        "chosen": asked.feature.removeprefix(f"{asked.view}."),
        "at": asked.at,
        "reference": asked.reference,
        "axis": asked.axis,
        "error": failure.text if failure else "",
        "error_title": failure.title if failure else "",
        "told": None,
        "feature": None,
        "entity": "",
        "symbols": SYMBOLS,
    }
    return rendered("explain.html", **facts | (_told(asked, told) if told else {}))


def _key_fields(view: Any, asked: Asked) -> list[dict[str, str]]:
    given = dict(asked.keys)
    return [{"name": f.name, "dtype": str(f.dtype), "value": given.get(f.name, "")} for f in view.join_keys]


def _told(asked: Asked, told: Explanation) -> dict[str, Any]:
    feature = told.feature(asked.feature) or told.features[0]
    entity = ", ".join(f"{name}={value}" for name, value in told.keys.items())
    wide, narrow = (picture(told, feature, width, asked.axis) for width in (WIDE, NARROW))
    other = "even" if wide and wide.axis.logarithmic else "recent"
    listed = list(enumerate(feature.shares, 1))[-ROWS_MAX:]
    return {
        "told": told,
        "feature": feature,
        "chosen": feature.name.partition(".")[2],
        "entity": entity,
        "title": f"The tiles behind {feature.name} of {entity}",
        "summary": words.summary(told, feature),
        "caption": words.caption(told, feature),
        "compared": words.compared(told, feature),
        "wide": wide,
        "narrow": narrow,
        "rows": [words.row(told, number, share) for number, share in listed],
        "left_out": len(feature.shares) - len(listed),
        "hidden": any(not share.known for _, share in listed),
        "all": [_line(asked, told, each) for each in told.features],
        "query": asked.query(),
        "other_axis": asked.query(axis=other),
        "other_axis_words": "Show time evenly" if other == "even" else "Give recent times more room",
        "facts": words.facts(told, feature),
    }


def _line(asked: Asked, told: Explanation, feature: ExplainedFeature) -> dict[str, Any]:
    """A feature in the list of all; its link asks the same of that one."""
    return {
        "name": feature.name,
        "value": feature.value,
        "status": feature.status,
        "query": asked.query(feature=feature.name.partition(".")[2]),
        "verdict": words.verdict(told, feature),
    }

"""What the SDK that people come from knows and this project does not: parameters, by the form that takes them.

The rule: a parameter that changes no value (clusters, alerts, guards of its deployments) is accepted, and one warning for each
declaration names all of them. One that would change values or reads is an error that says what to write instead. Whatever
stands in neither table is unknown. `doctor --migrate` reads the same tables, so that it says what a declaration would.
"""

import difflib
import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tilefold.declaration.warning import warn_writer
from tilefold.errors import DeclarationError, IgnoredParameterWarning, complaint

Declared = TypeVar("Declared", bound=type)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The parameters of one form.

    Attributes
    ----------
    ignored
        Accepted with a warning.
    refused
        An error; what to do instead, by name.
    """

    ignored: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)


_EVERYWHERE: Final = frozenset({"prevent_destroy", "options"})

VIEW: Final = Elsewhere(
    _EVERYWHERE
    | {
        *("batch_compute", "stream_compute", "online_store", "cache_config", "environment", "resource_providers", "secrets"),
        *("alert_email", "monitor_freshness", "expected_feature_freshness", "logging"),
        *("max_backfill_interval", "manual_trigger_backfill_end_time", "run_transformation_validation"),
        *("stream_tiling_enabled", "stream_tile_size", "transform_server_group", "feature_store_format_version"),
    },
    {
        "aggregations": "Write features=[Aggregate(input_column=Field(name, type), function=..., time_window=...)].",
        "schema": "Leave it out: the features say their columns' types, and the source's schema says what comes in.",
        "online_serving_index": "Leave it out and read by all join keys; declare a view of fewer keys for other reads.",
        "output_stream": "Leave it out: read the online store, or the event log in Delta Lake.",
        "publish_features": "Leave it out: training sets come from the event log, compacted tiles are in Delta Lake.",
        "context_parameter_name": "Leave it out: every event is transformed by itself, whatever the step; use its own time.",
    },
)
SOURCE: Final = Elsewhere(_EVERYWHERE)
ENTITY: Final = Elsewhere(_EVERYWHERE, {"default_join_key": 'Write join_keys=[Field("user_id", String)].'})
SERVICE: Final = Elsewhere(
    _EVERYWHERE
    | {"online_serving_enabled", "logging", "realtime_environment", "on_demand_environment", "cache_config"}
    | {"feature_server_group", "transform_server_group", "enable_online_caching"}
)
FILES: Final = Elsewhere(
    frozenset({"datetime_partition_columns", "convert_to_glue_format", "options"}),
    {
        "post_processor": "Do it in the view's function, or read the files in a pandas_batch_config function.",
        "timestamp_format": "Store the time as a UTC timestamp, or read the files in a pandas_batch_config function.",
        "schema_uri": "Write the source's schema=[Field(...), ...].",
        "schema_override": "Write the source's schema=[Field(...), ...].",
    },
)
PUSH: Final = Elsewhere(
    frozenset({"log_offline", "options"}),
    {
        "post_processor": "Do it in the view's function.",
        "post_processor_mode": "Do it in the view's function.",
        "input_schema": "Write the source's schema=[Field(...), ...].",
    },
)
DELTA: Final = Elsewhere(frozenset({"time_partition_size"}))
OFFLINE_STORE: Final = Elsewhere(
    frozenset({"publish_full_features", "publish_start_time"}),
    {"subdirectory_override": "Leave it out: tables lie under the workspace's root."},
)
NOTHING: Final = Elsewhere(frozenset())
FUNCTION_SOURCE: Final = Elsewhere(frozenset({"secrets", "options", "environment"}))


def sorted_out(thing: str, called: str, given: Mapping[str, Any], known: Collection[str], table: Elsewhere) -> dict[str, Any]:
    """The parameters that are known; warn once of all that are ignored.

    Parameters
    ----------
    thing
        What is declared, as errors name it.
    called
        The form that it is declared by.

    Raises
    ------
    DeclarationError
        If one is refused or unknown.
    """
    for name, value in given.items():
        if name not in known and name not in table.ignored:
            rule = f"{called} does not know the parameter {name!r}"
            raise DeclarationError(complaint(thing, rule, value, mend_of(name, known, table)))
    if ignored := sorted(given.keys() - set(known)):
        text = f"{thing}: {called} ignores {', '.join(ignored)}, which mean{'' if len(ignored) > 1 else 's'} nothing here."
        warn_writer(text, IgnoredParameterWarning)
    return {name: value for name, value in given.items() if name in known}


def mend_of(name: str, known: Collection[str], table: Elsewhere) -> str:
    """What to do about a parameter that is refused or unknown."""
    if name in table.refused:
        return table.refused[name]
    alike = difflib.get_close_matches(name, [*known, *table.ignored], n=1)
    return f"Did you mean {alike[0]}?" if alike else f"It knows {', '.join(known)}."


def tolerant(kind: str, known: Collection[str], table: Elsewhere) -> Callable[[Declared], Declared]:
    """Let a class take the ignored parameters; unknown ones become errors that name what is declared.

    Parameters
    ----------
    kind
        What errors call it: `entity` becomes `entity 'user'`.
    known
        The parameters that its constructor takes.
    """

    def wrap(declared: Declared) -> Declared:
        made: Any = declared
        construct = made.__init__

        @functools.wraps(construct)
        def init(self: object, *args: object, **given: Any) -> None:
            title = given.get("name", given.get("uri", args[0] if args else None))
            thing = kind if title is None else f"{kind} {title!r}"
            construct(self, *args, **sorted_out(thing, declared.__name__, given, known, table))

        made.__init__ = init
        return declared

    return wrap

"""The rules that the parts of a view keep, of whichever kind.

The rule: each function reads one part of what was written, checks it and returns it resolved; an error names the view
(`thing`), the rule, the value and what to do.
"""

from collections.abc import Sequence
from types import FunctionType
from typing import Any

from tilefold.declaration.entity import Entity, check_key_type
from tilefold.declaration.feature_rules import input_of
from tilefold.declaration.features import Aggregate, Attribute
from tilefold.declaration.names import EVENT_ID, check_column, first_duplicate
from tilefold.declaration.parameters import BatchTriggerType, BatchViewParameters
from tilefold.declaration.selections import plain_source
from tilefold.declaration.sources import Source
from tilefold.declaration.times import positive_us
from tilefold.declaration.warning import warn_writer
from tilefold.errors import AssumedTypeWarning, DeclarationError, complaint
from tilefold.types import Field, String, Timestamp


def check_flags(thing: str, written: BatchViewParameters) -> None:
    """Refuse switches that are neither on nor off, such as "no", which Python takes for true."""
    for parameter in ("online", "offline", "compaction_enabled", "batch_compaction_enabled", "incremental_backfills"):
        value = getattr(written, parameter)
        if value is not None and not isinstance(value, bool):
            raise DeclarationError(complaint(thing, f"{parameter} must be True or False", value, "Write one of the two."))


def checked_function(thing: str, function: object) -> FunctionType:
    """What is declared as a view: a plain function, whose code the view's version can be worked out from."""
    if not isinstance(function, FunctionType):
        mend = "Decorate a function made with def; call other objects from within it."
        raise DeclarationError(complaint(thing, "what is decorated must be a function", function, mend))
    return function


def is_scheduled(thing: str, written: BatchViewParameters) -> bool:
    """Whether the daily schedule runs the view; a view without a batch part is refused."""
    given = written.batch_trigger or BatchTriggerType.SCHEDULED
    if given not in (BatchTriggerType.SCHEDULED, BatchTriggerType.MANUAL):
        mend = "Use BatchTriggerType.SCHEDULED, or MANUAL for a view that a person launches."
        raise DeclarationError(complaint(thing, "batch_trigger must be one that has a batch part", given, mend))
    return given == BatchTriggerType.SCHEDULED


def attributes_ttl_us(thing: str, written: BatchViewParameters, features: Sequence[Aggregate | Attribute]) -> int | None:
    """How long Attributes are valid; None for ever. Without one, a `ttl` is refused."""
    if written.ttl is None:
        return None
    if not any(isinstance(feature, Attribute) for feature in features):
        mend = "Leave it out: the size of its window bounds an Aggregate."
        raise DeclarationError(complaint(thing, "ttl belongs to views of Attributes", written.ttl, mend))
    return positive_us(thing, "ttl", written.ttl)


def secondary_key(
    thing: str,
    written: BatchViewParameters,
    source: Source,
    features: Sequence[Aggregate | Attribute],
    taken: Sequence[object],
) -> Field | None:
    """The secondary key's column, if there is one, in the type of an input column, else of the schema, else String.

    Parameters
    ----------
    taken
        The columns that it may not be: join keys and the timestamp.
    """
    name: object = written.aggregation_secondary_key
    if name is None:
        return None
    if not isinstance(name, str) or name in taken:
        mend = "Name another column of what the function returns."
        rule = "aggregation_secondary_key must be a column that is neither a join key nor the timestamp"
        raise DeclarationError(complaint(thing, rule, name, mend))
    if any(isinstance(feature, Attribute) for feature in features):
        mend = "Declare the Attributes in a view of their own."
        raise DeclarationError(complaint(thing, "aggregation_secondary_key belongs to views of Aggregates", name, mend))
    known = [*(input_of(feature) for feature in features), *(source.schema or ())]
    found = next((column for column in known if column is not None and column.name == name), None)
    if found is None and source.schema is None:
        mend = "Declare the column in the source's schema where it is of another type."
        warn_writer(f"{thing}: aggregation_secondary_key {name!r} is taken for a String. {mend}", AssumedTypeWarning)
        found = Field(name, String)
    if found is None:
        mend = "Declare the column in the source's schema, or use it as an input_column."
        raise DeclarationError(complaint(thing, "the type of aggregation_secondary_key must be known", name, mend))
    check_key_type(thing, "aggregation_secondary_key", found)
    return found


def view_source(thing: str, written: BatchViewParameters, kind: str, wanted: type[Source]) -> tuple[Source, bool]:
    """The one source, by whichever of its names, of the type that the kind of view takes; whether it is unfiltered."""
    if written.source is not None and written.sources is not None:
        raise DeclarationError(complaint(thing, "source and sources may not both be given", written.source, "Keep one."))
    given: Any = written.sources if written.source is None else [written.source]
    if not isinstance(given, Sequence) or len(given) != 1:
        mend = "Write source=transactions, or sources=[transactions]; join other tables where events enter the source."
        raise DeclarationError(complaint(thing, "a view has exactly one source", given, mend))
    source, unfiltered = plain_source(thing, given[0])
    if isinstance(source, wanted):
        _name_timestamp(thing, written, source)
        return source, unfiltered
    if isinstance(source, Source):
        mend = f"Declare a {wanted.__name__} for a {kind} view."
        rule = f"a {kind} view takes a {wanted.__name__}, not a {type(source).__name__}"
        raise DeclarationError(complaint(thing, rule, source.name, mend))
    raise DeclarationError(complaint(thing, f"source must be a {wanted.__name__}", source, f"Declare {wanted.__name__}(...)."))


def _name_timestamp(thing: str, written: BatchViewParameters, source: Source) -> None:
    """Let the view say which column of a source without schema is the event's time, where the source does not."""
    if source.timestamp_field:
        return
    if not isinstance(written.timestamp_field, str) or not written.timestamp_field:
        mend = "Write timestamp_field= in the source, or in the view where the column has the same name."
        rule = f"the source {source.name!r} says no timestamp_field, so the view must"
        raise DeclarationError(complaint(thing, rule, written.timestamp_field, mend))
    object.__setattr__(source, "timestamp_field", written.timestamp_field)


def view_entities(thing: str, written: BatchViewParameters) -> tuple[Entity, ...]:
    """The entities, at least one, whose join keys have names of their own."""
    given: Any = written.entities
    if not isinstance(given, Sequence) or not given or not all(isinstance(entity, Entity) for entity in given):
        mend = "Write entities=[user]."
        raise DeclarationError(complaint(thing, "entities must be a list of at least one Entity", given, mend))
    twice = first_duplicate(key.name for entity in given for key in entity.join_keys)
    if twice:
        mend = "Give one of the entities another column."
        raise DeclarationError(complaint(thing, "a join key may belong to one entity only", twice, mend))
    return tuple(given)


def output_columns(
    thing: str,
    join_keys: Sequence[Field],
    timestamp_field: object,
    features: Sequence[Aggregate | Attribute],
    secondary: Field | None,
) -> tuple[Field, ...]:
    """What the view's function must return: join keys, timestamp, input columns, each once and of one type."""
    if not isinstance(timestamp_field, str) or not timestamp_field or timestamp_field == EVENT_ID:
        mend = "Name the column of the event's time in what the function returns."
        raise DeclarationError(complaint(thing, "timestamp_field must be a column", timestamp_field, mend))
    if timestamp_field in [key.name for key in join_keys]:
        mend = "Copy the time to another column for one of the two."
        raise DeclarationError(complaint(thing, "timestamp_field may not be a join key", timestamp_field, mend))
    inputs = [column for column in [secondary, *map(input_of, features)] if column is not None]
    columns: dict[str, Field] = {}
    for column in [*join_keys, Field(timestamp_field, Timestamp), *inputs]:
        check_column(thing, column.name)
        known = columns.setdefault(column.name, column)
        if known != column:
            mend = f"Elsewhere in the view it is {known.dtype}: declare it the same everywhere."
            rule = f"column {column.name!r} has one type in a view"
            raise DeclarationError(complaint(thing, rule, str(column.dtype), mend))
    return tuple(columns.values())


def compaction_enabled(thing: str, written: BatchViewParameters) -> bool:
    """Whether tiles are compacted, by either of its names."""
    given = {written.compaction_enabled, written.batch_compaction_enabled} - {None}
    if len(given) > 1:
        rule = "compaction_enabled and batch_compaction_enabled are two names of one"
        raise DeclarationError(complaint(thing, rule, "both, with different values", "Keep one of them."))
    if not given and not written.online and not written.offline:
        return False  # nothing is kept of it, so that there is nothing to compact
    return False not in given

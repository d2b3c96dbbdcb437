"""Forget: take an entity out of everything that is kept of it.

The rule: what is served goes first, since events and tables tell which keys there are; then the events, so that whatever is
built after that is built without them; then what was computed of them, in every view of the source whose join keys hold the
entity's; then the files of all this. Each step may be killed and the whole repeated. What is not ours (files that a source
imports, backups) is named in the report and left alone.

    online keys  ->  event log, dead letters  ->  tiles, compactions, samples  ->  stream log  ->  files of earlier versions
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tilefold.declaration.described import is_computable
from tilefold.declaration.source_functions import FunctionConfig
from tilefold.engine.entity import EntityEncoder, entity_expr
from tilefold.errors import InputError, complaint
from tilefold.serving.building import source_events
from tilefold.serving.context import ViewContext, transforming
from tilefold.serving.reports import ForgetReport, ForgottenView
from tilefold.stores.dead_letters import RECORD, DeadLetters
from tilefold.stores.log_results import Forgotten
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import StreamLog

_ENTITY = "entity"


@dataclass(frozen=True, slots=True)
class PassedStream:
    """The stream log, and up to where both its readers have come."""

    log: StreamLog
    upto: Mapping[int, int]


class Forgetting:
    """Takes one entity out.

    Parameters
    ----------
    context
        The view that names the entity.
    contexts
        All views of its source, older versions of them too.
    keys
        The entity's join keys.

    Raises
    ------
    InputError
        If the keys are not the view's, or are no columns of its source.
    """

    def __init__(self, context: ViewContext, contexts: Sequence[ViewContext], keys: Mapping[str, Any]) -> None:
        EntityEncoder(context.view.name, context.view.join_keys).encode(keys)
        self._context, self._keys = context, keys
        self._log = context.log
        dtypes = {field.name: field.dtype for field in context.view.join_keys}
        equal = [pl.col(name) == pl.lit(value, dtype=dtypes[name]) for name, value in keys.items()]
        self._matches = pl.all_horizontal(equal)
        self._holding = [each for each in contexts if {field.name for field in each.view.join_keys} >= keys.keys()]
        self._check_columns()

    def run(self, online: OnlineStore, dead_letters: DeadLetters, stream: PassedStream | None) -> ForgetReport:
        """Do it.

        Raises
        ------
        InputError
            If a view makes the entity's key of other columns; nothing is changed.
        StoreUnavailableError, ConflictError, FileError
            A store failed, or others changed a table all the while; run it again.
        """
        began_s = time.monotonic()
        self._check_made_keys()
        entities = [self._entities(context) for context in self._holding]
        keys = [self._online_keys(online, *each) for each in zip(self._holding, entities, strict=True)]
        events = self._log.forget(self._matches)
        letters = dead_letters.forget(self._in_record())
        views = [self._view(*each, events) for each in zip(self._holding, entities, keys, strict=True)]
        rewritten = online.rewrite_files()
        dropped = stream is None or stream.log.drop(stream.upto)
        files = sum(map(len, self._dropped_files(dead_letters)))
        return ForgetReport(
            source=self._log.source,
            entity=dict(self._keys),
            events=events.rows,
            days=tuple(sorted(events.days)),
            dead_letters=letters,
            views=tuple(views),
            files_removed=files,
            online_files_rewritten=rewritten,
            stream_files_rewritten=dropped,
            source_files=self._source_files,
            left=tuple(self._left(dead_letters, entities)),
            duration_s=time.monotonic() - began_s,
        )

    # --- what is meant

    @property
    def _source_files(self) -> str | None:
        config = self._context.view.source.batch_config
        if isinstance(config, FunctionConfig):
            return f"what {config.name}() returns"
        return None if config is None else config.uri

    def _check_columns(self) -> None:
        if missing := [name for name in self._keys if name not in (self._log.columns or ())]:
            thing = f"view '{self._context.view.name}'"
            rule = "only an entity whose keys are columns of the source is forgotten"
            mend = "Replace the days that hold its events: Workspace.append(..., replace=(start, end))."
            raise InputError(complaint(thing, rule, missing, mend))

    def _check_made_keys(self) -> None:
        """No view may give the entity for events that do not name it: they would stay, and bring it back."""
        for context in self._holding:
            for output in self._outputs(context, ~self._matches.fill_null(value=False)):
                with transforming(context.view):
                    found = output.filter(self._matches).select(pl.len()).collect().item()
                if found:
                    thing, rule = f"view '{context.view.name}'", "the entity's key is that of the source's events"
                    mend = "Replace the days that hold its events: Workspace.append(..., replace=(start, end))."
                    raise InputError(complaint(thing, rule, f"{found} events that make it of other columns", mend))

    def _outputs(self, context: ViewContext, only: pl.Expr) -> Iterator[pl.LazyFrame]:
        """What a view makes of some of the log's events, day by day; nothing of a version whose code is not here."""
        if not is_computable(context.view):
            return
        log = self._log.snapshot()
        for day in log.days():
            yield context.view.transform(source_events(context, log, day).filter(only))

    def _entities(self, context: ViewContext) -> list[str]:
        """The texts of the view's entities that hold this one, as far as its events and compactions tell."""
        join_keys = context.view.join_keys
        if len(join_keys) == len(self._keys):
            return [EntityEncoder(context.view.name, join_keys).encode(self._keys)]
        entity = entity_expr(join_keys).alias(_ENTITY)
        with transforming(context.view):
            seen = [each.select(entity).unique().collect() for each in self._outputs(context, self._matches)]
        compactions = context.compacted.partitions()
        seen += [context.compacted.scan(*each).filter(self._matches).select(entity).collect() for each in compactions]
        return sorted({text for frame in seen for text in frame[_ENTITY] if text is not None})

    def _in_record(self) -> pl.Expr:
        """Whether a refused event's record, which may be cut, names the entity."""
        patterns = [
            rf'"{re.escape(name)}"\s*:\s*"?{re.escape(_plain(value))}(?:"|\s*[,}}\]]|$)' for name, value in self._keys.items()
        ]
        return pl.all_horizontal(pl.col(RECORD).str.contains(pattern) for pattern in patterns)

    # --- what is done

    def _online_keys(self, online: OnlineStore, context: ViewContext, entities: Sequence[str]) -> int:
        view = context.view
        keys = [online.entity_key(view.name, view.version, entity) for entity in entities]
        return online.forget(view.name, view.version, keys)

    def _view(self, context: ViewContext, entities: Sequence[str], online_keys: int, events: Forgotten) -> ForgottenView:
        tiles = context.tile_table().forget(self._matches, events.days)
        parts = context.compacted.forget(self._matches)
        context.samples.forget(entities)
        return ForgottenView(context.view.name, context.view.version, tiles, parts, online_keys)

    def _dropped_files(self, dead_letters: DeadLetters) -> Iterator[list[str]]:
        yield self._log.drop_history()
        yield dead_letters.drop_history()
        for context in self._holding:
            yield context.tile_table().drop_history()
            yield context.compacted.drop_history()
            yield context.samples.drop_history()

    def _left(self, dead_letters: DeadLetters, entities: Sequence[Sequence[str]]) -> Iterator[str]:
        """Where it still stands: a scan of every table, for what came in or was built meanwhile."""
        if self._log.snapshot().scan().filter(self._matches).select(pl.len()).collect().item():
            yield f"{self._log.source}: events that came meanwhile"
        if dead_letters.scan().filter(self._in_record()).select(pl.len()).collect().item():
            yield f"{self._log.source}: refused events that came meanwhile"
        for context, own in zip(self._holding, entities, strict=True):
            if context.samples.holds(own):
                yield f"{context.view.name}: samples that another process wrote meanwhile"
            scans = [context.tile_table().snapshot().scan()]
            scans += [context.compacted.scan(*each) for each in context.compacted.partitions()]
            if any(scan.filter(self._matches).select(pl.len()).collect().item() for scan in scans):
                yield f"{context.view.name}: what was built meanwhile"


def _plain(value: Any) -> str:
    """A join key as JSON has it, without quotes."""
    return json.dumps(value, default=str).strip('"')

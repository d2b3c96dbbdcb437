"""One view with everything that its steps need: its layout, its tables, its source's log.

The rule: paths are made here alone. Under the root: `<source>/event_log`, `<view>/<version>/tiles`, `.../compacted` and
`.../samples`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from tilefold.declaration.views import FeatureView
from tilefold.declaration.windows import Window
from tilefold.engine.codec import Codec
from tilefold.engine.compact import part_schema
from tilefold.engine.entity import EntityEncoder
from tilefold.engine.layout import EPOCH, Layout, layout_of
from tilefold.engine.merge import Folder
from tilefold.engine.merge_stream import StreamMerger
from tilefold.engine.plan import reads_newest
from tilefold.engine.stream_codec import StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.windows import reach_us
from tilefold.errors import InputError, NotOnlineError, complaint
from tilefold.stores.compacted_table import CompactedTable
from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.event_log import EventLog
from tilefold.stores.sample_table import SampleTable
from tilefold.stores.tile_table import TileTable


@dataclass(frozen=True)
class ViewContext:
    """A view, its source's event log, and where its tables are."""

    view: FeatureView
    log: EventLog
    base_uri: str
    storage_options: Mapping[str, str]

    @cached_property
    def layout(self) -> Layout:
        """The columns of its tiles."""
        return layout_of(self.view)

    @cached_property
    def folder(self) -> Folder:
        """Folds its parts into values."""
        return Folder(self.layout)

    @property
    def windows(self) -> list[Window]:
        """Every window of its features, once."""
        return self.folder.windows

    @cached_property
    def codec(self) -> Codec:
        """Reads its parts."""
        return Codec(self.layout)

    @property
    def source_columns(self) -> list[str]:
        """The columns that its transformation is given."""
        return [*(self.log.columns or {}), EVENT_ID]

    @property
    def is_stream(self) -> bool:
        """Whether it has stream parts."""
        return self.view.kind == "stream"

    @cached_property
    def stream_codec(self) -> StreamCodec:
        """Reads and writes its stream parts."""
        return StreamCodec(self.layout)

    @cached_property
    def stream_folder(self) -> StreamFolder:
        """Folds events into its stream parts."""
        return StreamFolder(self.layout, self.windows, self.view.schedule_us, self.view.valid_for_us)

    @cached_property
    def merger(self) -> StreamMerger:
        """Folds batch and stream parts into values."""
        return StreamMerger(self.layout, self.folder)

    @property
    def ttl_ms(self) -> int | None:
        """How long after its last write a key may still be read: as long as a window reaches; None where that has no end.

        It has none with a lifetime, and where windows end at the newest event: until a newer one comes nothing ages.
        """
        reach = None if reads_newest(self.view) else reach_us(self.windows)
        return None if reach is None else (reach + self.view.valid_for_us) // 1000 + 1

    @cached_property
    def encoder(self) -> EntityEncoder:
        """Checks the join keys of requests."""
        return EntityEncoder(self.view.name, self.view.join_keys)

    @property
    def uri(self) -> str:
        """Where the tables of this version of the view are."""
        return f"{self.base_uri}/{self.view.name}/{self.view.version}"

    def tile_table(self, buckets: int = 1) -> TileTable:
        """Its tiles; `buckets` counts only where the table does not exist yet."""
        if buckets not in self._tile_tables:
            schema, options = self.layout.tile_schema, self.storage_options
            table = TileTable(f"{self.uri}/tiles", schema, buckets=buckets, stats_columns=(EPOCH,), storage_options=options)
            self._tile_tables[buckets] = table
        return self._tile_tables[buckets]

    @cached_property
    def _tile_tables(self) -> dict[int, TileTable]:
        """Opened tables, by how many buckets they would be made with."""
        return {}

    @cached_property
    def sampled_columns(self) -> pl.Schema:
        """The columns of served values in its samples, feature by feature."""
        return pl.Schema({f"{self.view.name}__{feature.name}": feature.dtype for feature in self.view.features})

    @cached_property
    def samples(self) -> SampleTable:
        """What was sampled of its reads."""
        return SampleTable(f"{self.uri}/samples", self.sampled_columns, storage_options=self.storage_options)

    @cached_property
    def compacted(self) -> CompactedTable:
        """Its compactions."""
        return CompactedTable(f"{self.uri}/compacted", part_schema(self.layout), storage_options=self.storage_options)


def require_online(view: FeatureView) -> None:
    """Raise `NotOnlineError` for a view that is declared without an online store."""
    if not view.online:
        mend = "Declare it with online=True and materialize it, or use get_features_for_events, which needs no online store."
        raise NotOnlineError(complaint(f"view '{view.name}'", "only a view with online=True is synced and read", False, mend))


@contextmanager
def transforming(view: FeatureView) -> Iterator[None]:
    """What Polars reports while a view's function runs on events is the function's: an InputError that names the view."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        mend = "Mend the function, or filter the events that it cannot take."
        raise InputError(
            complaint(f"view '{view.name}'", "its function must run on the source's events", what, mend)
        ) from error

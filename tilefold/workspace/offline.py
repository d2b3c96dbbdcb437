"""What is computed from the event log alone: training sets, and the values that sampled reads should have had.

The rule: no compaction and no online store is asked, so that it holds whatever these hold.
"""

from datetime import datetime
from pathlib import Path

import polars as pl

from tilefold.declaration.described import is_computable
from tilefold.engine.time import to_us
from tilefold.serving.given import key_types
from tilefold.serving.parity import Asked, recompute
from tilefold.serving.parity_report import ParityReport
from tilefold.serving.reports import (
    TrainingSetReport,
)
from tilefold.serving.spine import checked_spine
from tilefold.serving.times import checked_time
from tilefold.serving.training import features_for_events
from tilefold.serving.training_writing import Target, write_training
from tilefold.stores.stream_parts import log_number
from tilefold.stores.training_files import scan_spine
from tilefold.workspace.events import Events


class Offline(Events):
    """What the workspace computes from its event logs."""

    def get_features_for_events(
        self, name: str, spine: pl.DataFrame | pl.LazyFrame, timestamp: str = "timestamp"
    ) -> pl.DataFrame:
        """A training set: for each row of the spine the values that a read would have served at its time.

        Parameters
        ----------
        spine
            Join keys and a UTC time; further columns are kept.

        Returns
        -------
        pl.DataFrame
            The spine's columns unchanged, then one column `view__feature` each; the spine's rows in their order.
        """
        selections = [(self.context(view.name), numbers) for view, numbers in self.definitions.selection(name)]
        return features_for_events(selections, checked_spine(spine), timestamp)

    def write_training_set(
        self,
        name: str,
        spine: pl.DataFrame | pl.LazyFrame | str | Path,
        place: str | Path,
        timestamp: str = "timestamp",
        *,
        overwrite: bool = False,
    ) -> TrainingSetReport:
        """`get_features_for_events` into a file or table, of a spine of any length: memory holds a part of it at a time.

        Parameters
        ----------
        spine
            A frame, or the place of one: Parquet (`.parquet`, globs too), CSV (`.csv`), else a Delta table.
        place
            Where the training set goes: a Parquet file, in the spine's order, where it ends in `.parquet`, else a Delta table.
        overwrite
            Whether it may replace what is there.

        Raises
        ------
        InputError
            As `get_features_for_events`.
        FileError
            If the spine cannot be read, the place cannot be written, or something is there already.
        """
        options = self._home.storage_options
        selections = [(self.context(view.name), numbers) for view, numbers in self.definitions.selection(name)]
        if isinstance(spine, str | Path):
            rows = scan_spine(str(spine), key_types(self.definitions, name), timestamp, options)
            target = Target(str(place), options, overwrite, str(spine), self.now())
        else:
            rows, target = checked_spine(spine), Target(str(place), options, overwrite, "the given frame", self.now())
        return write_training(name, selections, rows, timestamp, target)

    def parity(self, view: str, since: datetime | None = None, samples_max: int | None = None) -> ParityReport:
        """Recompute what was sampled of served values (see `sampling`) from the event log; a stream is drained into it first.

        Of the version that answers reads; of the declared one, where the code of that is not at hand.

        Parameters
        ----------
        since
            Only those served at this time or later; None: all that are kept.
        samples_max
            At most so many, the newest.
        """
        answering = self._parts.answering(view)
        context = answering if is_computable(answering.view) else self.context(view)
        asked = Asked(0 if since is None else to_us(checked_time("since", since)), samples_max)
        self._parts.flush_samples()
        if not context.is_stream or not context.samples.days():
            return recompute(context, asked)
        self.drain(context.view.source.name)
        return recompute(context, asked, log_number(self.stream_log(context.view.source.name).incarnation))

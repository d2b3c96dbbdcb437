"""Sources that Python functions return: sign-ups as a pandas frame, logins as an Arrow table."""

import os
from datetime import timedelta
from pathlib import Path

from tilefold import BatchSource, pandas_batch_config, pyarrow_batch_config


@pandas_batch_config(data_delay=timedelta(0))
def signups():
    import pandas as pd

    frame = pd.read_csv(Path(os.environ["PAYMENTS_DATA"]) / "signups.csv", dtype={"card": "str"})
    frame["signed_up_at"] = pd.to_datetime(frame["signed_up_at"], utc=True)
    return frame


@pyarrow_batch_config(supports_time_filtering=True)
def logins(filter_context):
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    table = csv.read_csv(Path(os.environ["PAYMENTS_DATA"]) / "logins.csv")
    times = pc.assume_timezone(table["logged_in"].cast(pa.timestamp("us")), "UTC")
    table = table.drop_columns(["logged_in"]).append_column("logged_in_at", times)
    if filter_context and filter_context.start_time:
        table = table.filter(pc.greater_equal(table["logged_in_at"], pa.scalar(filter_context.start_time)))
    if filter_context and filter_context.end_time:
        table = table.filter(pc.less(table["logged_in_at"], pa.scalar(filter_context.end_time)))
    return table


users_batch = BatchSource(name="users_batch", batch_config=signups)
logins_batch = BatchSource(name="logins_batch", batch_config=logins)

"""A tour of what the demo left: in cells (`# %%`), to be run one by one in an editor, or all with `python examples/tour.py`.

The flights must be there: `make demo`, or `tilefold demo --without-dagster`.
"""

# %% Open the workspace that the demo filled
import os
from datetime import UTC, datetime, timedelta

import polars as pl

from tilefold import Workspace

workspace = Workspace(root=os.environ.get("TILEFOLD_ROOT", "data"), definitions="features")
print("views:", ", ".join(workspace.definitions.views))

# %% Features of one carrier, with what each value is worth and as of when
vector = workspace.get_features("carrier_delays", {"carrier": "UA"})
for name in ("flights_30d", "departure_delay_mean_30d", "departure_delay_max_lifetime"):
    full = f"carrier_delays.{name}"
    print(full, vector.values[full], vector.statuses[full], vector.effective_times[full])

# %% Many at once, in one round trip
carriers = ["AA", "B6", "DL", "EV", "UA"]
for carrier, each in zip(
    carriers, workspace.get_features_batch("carrier_delays", [{"carrier": code} for code in carriers]), strict=True
):
    print(carrier, each.values["carrier_delays.departure_delay_mean_90d"])

# %% The tiles behind a value: few, whatever the number of events
explained = workspace.explain("carrier_delays", {"carrier": "UA"})
print(
    len(explained.tiles),
    "tiles hold",
    sum(tile.events for tile in explained.tiles),
    "flights in",
    explained.part_bytes,
    "bytes",
)

# %% A training set: what a read would have served at each time, from the event log alone
today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
spine = pl.DataFrame(
    {"carrier": ["UA"] * 4, "origin": ["EWR"] * 4, "timestamp": [today - timedelta(days=days) for days in (90, 60, 30, 0)]}
)
print(workspace.get_features_for_events("carrier_delays", spine).select("timestamp", "^.*departure_delay_mean.*$"))

# %% The same bytes can be looked at with any Redis client
key = workspace.online_key("carrier_delays", {"carrier": "UA"})
print(key, workspace.online_client().hstrlen(key, "b"), "bytes")

# %% Close it: whoever opened the embedded server first stops it
workspace.close()

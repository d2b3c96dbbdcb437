"""The engine: windows, tiles, compaction, merging and the codec. Pure: no clock, disk, network or Dagster."""

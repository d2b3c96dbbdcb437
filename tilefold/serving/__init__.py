"""The steps between the stores: building tiles, compaction, sync, merged reads, training sets."""

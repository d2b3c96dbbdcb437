"""Benchmarks: one command each, each printing a ratio to a yardstick that runs beside it in the same process."""

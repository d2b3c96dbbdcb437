"""The view of the streaming benchmarks, as definitions that a process can load by name."""

from benchmarks.streaming import streaming_view

paid = streaming_view()

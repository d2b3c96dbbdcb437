"""A kit for tests of one's own aggregates.

The rule: what the engine relies on is a law here; an aggregate that breaks one is told by which events, as few as were found.
"""

from tilefold.testing.aggregates import check_aggregate

__all__ = ["check_aggregate"]

"""How the assets are run: their partitions, jobs and schedules.

The rule: nothing here computes; it says what runs when.
"""

"""The command `tilefold`.

The rule: it puts what a person typed into the Workspace's terms and what comes back into text, and holds no logic of its own.
"""

from tilefold.cli.app import main

__all__ = ["main"]

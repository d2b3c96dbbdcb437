"""A process that makes a changed view ready and serves it: ROOT ONLINE STREAM NAME CLASS METHOD WHEN.

It kills itself before or after the first call of that method.
"""

import sys
from pathlib import Path

from tests.kill import child
from tests.streams import opened, source
from tests.versions import WATERMARK, declare_new
from tilefold.serving.kept import KeptViews
from tilefold.stores.stream_parts import StreamParts
from tilefold.stores.view_versions import ViewVersions

child.CLASSES.update({each.__name__: each for each in (KeptViews, StreamParts, ViewVersions)})


def main(root: str, online: str, stream: str, name: str, *point: str) -> None:
    """Materialize the new version, which serves it at the end."""
    workspace = opened(Path(root), online, stream, declare_new(source()), name=name)
    child.arm(*point, "1")
    workspace.materialize("spend", WATERMARK)


if __name__ == "__main__":
    main(*sys.argv[1:])

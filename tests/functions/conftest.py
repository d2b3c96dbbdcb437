"""The yardstick `datasketches` has no wheels for Python 3.14 yet; there the comparison with it is not collected."""

import sys

collect_ignore = ["test_against_datasketches.py"] if sys.version_info >= (3, 14) else []

"""Join keys as they come over the wire: JSON has no times, and its integers may come as text.

The rule: what is converted here is checked where all join keys are (`EntityEncoder`); a value that cannot be converted is
passed on as it is, so that there is one refusal for it, and it names the key and what is accepted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tilefold.server.json_texts import text_converter
from tilefold.types import Field


class JoinKeys:
    """The join keys of a service.

    Attributes
    ----------
    fields
        Each name once, with its type.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = tuple({field.name: field for field in fields}.values())
        made = {field.name: text_converter(field.dtype) for field in self.fields}
        self._converters = {name: convert for name, convert in made.items() if convert is not None}

    def parsed(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keys of one entity in Python's types."""
        if not self._converters:
            return given
        known = self._converters
        return {name: known[name](value) if name in known else value for name, value in given.items()}

"""Names in a file of definitions, as its import lines say what they mean.

The rule: nothing is imported and nothing run: a name means what the syntax tree says. `from tecton import Entity as E` makes
`E` an `Entity`; with `import tecton as t`, so is `t.Entity`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import tilefold
import tilefold.aggregation_functions
import tilefold.types
from tilefold.declaration.refused_names import IGNORED_CONFIGS, REFUSED_NAMES

OTHER: Final = "tecton"
PACKAGES: Final = (OTHER, "tilefold")
MODULES: Final = {
    "": frozenset(tilefold.__all__) | frozenset(REFUSED_NAMES) | frozenset(IGNORED_CONFIGS),
    "types": frozenset(tilefold.types.__all__),
    "aggregation_functions": frozenset(tilefold.aggregation_functions.__all__),
}
"""What can be imported, by the module within the package."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A name or a module that cannot be imported."""

    line: int
    module: str
    name: str | None


@dataclass(slots=True)
class Names:
    """What the names of a file mean.

    Attributes
    ----------
    meant
        By the name in the file, the name in the package.
    packages
        Names of the package itself.
    missing
        What is imported and is not there.
    lines, lines_to_change
        How many import lines name either package, and how many the other one.
    """

    meant: dict[str, str] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    missing: list[Missing] = field(default_factory=list)
    lines: int = 0
    lines_to_change: int = 0

    def of(self, node: ast.expr) -> str | None:
        """The name in the package that an expression stands for; None where it is another thing."""
        if isinstance(node, ast.Name):
            return self.meant.get(node.id)
        parts = list(_dotted(node))
        return parts[-1] if len(parts) > 1 and parts[0] in self.packages else None


def _dotted(node: ast.expr) -> Iterator[str]:
    """The parts of `a.b.c`."""
    if isinstance(node, ast.Attribute):
        yield from _dotted(node.value)
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id


def names_of(tree: ast.Module) -> Names:
    """Read the import lines of a file."""
    found = Names()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            _plain(found, node)
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in PACKAGES:
            _from(found, node)
    return found


def _plain(found: Names, node: ast.Import) -> None:
    for alias in node.names:
        package, _, inner = alias.name.partition(".")
        if package not in PACKAGES:
            continue
        found.lines += 1
        found.lines_to_change += package == OTHER
        found.packages.add(alias.asname or package)
        if inner not in MODULES and package == OTHER:
            found.missing.append(Missing(node.lineno, alias.name, None))


def _from(found: Names, node: ast.ImportFrom) -> None:
    package, _, inner = (node.module or "").partition(".")
    found.lines += 1
    found.lines_to_change += package == OTHER
    if inner not in MODULES:
        found.missing += [Missing(node.lineno, node.module or "", None)] if package == OTHER else []
        return
    for alias in node.names:
        if alias.name == "*":
            found.meant |= {name: name for name in MODULES[inner]}
        elif alias.name in MODULES[inner] or (not inner and alias.name in MODULES):
            found.meant[alias.asname or alias.name] = alias.name
            found.packages |= {alias.asname or alias.name} if alias.name in MODULES else set()
        else:
            found.missing.append(Missing(node.lineno, node.module or "", alias.name))

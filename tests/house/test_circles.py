"""No file imports one that leads back to it: not at the top, not inside a function, not for types alone."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import grimp

PACKAGE = "pliant"


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """One circle of the imports, each file before the one that it imports; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]
    return []


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) in (list("abca"), list("bcab"), list("cabc"))


def test_no_imports_form_a_circle() -> None:
    """The front door aside, which names every room's best and is imported by none."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules - {PACKAGE}}
    assert sum(map(len, imports.values())) > 1000
    assert not circle(imports), " -> ".join(circle(imports))

"""Manifests with values that they may not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Change = Callable[[dict[str, Any]], object]


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        at: Any = manifest
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.pop(key)


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "major version": (put("format_version", value="2.0"), "format 2.0"),
    "no version": (drop("format_version"), "no format version"),
    "version is a number": (put("format_version", value=1.0), "no format version"),
    "no input": (drop("input"), "'input' is missing"),
    "size zero": (put("input", "height", value=0), "input.height"),
    "size huge": (put("input", "width", value=10**9), "input.width"),
    "batch backwards": (put("input", "batch", value=[8, 1]), "input.batch"),
    "BGR": (put("input", "color", value="BGR"), "RGB"),
    "negative macs": (put("subnets", 0, "macs", value=-1), "macs"),
    "infinite quality": (put("subnets", 0, "quality", "depth", "value", value=1e999), "finite|Infinity"),
    "width over one": (put("subnets", 0, "widths", "encoder", value=[2.0]), "width"),
    "missing task": (put("subnets", 0, "quality", value={}), "exactly the tasks"),
    "same id": (put("subnets", 1, "id", value="s01-fp32"), "same id"),
    "id with an escape": (put("subnets", 0, "id", value="\x1b[2J"), "printable"),
    "id of another type": (put("subnets", 0, "id", value=["s"]), "printable"),
    "graph bomb": (put("subnets", 0, "graphs", "onnxruntime", "size", value=10**12), "size"),
    "no graph for onnxruntime": (put("subnets", 0, "graphs", value={}), "no graph for onnxruntime"),
    "no subnets": (put("subnets", value=[]), "no subnet"),
    "no tasks": (put("tasks", value={}), "no task"),
    "unknown kind": (put("tasks", "depth", "kind", value="haze"), "haze"),
    "classes unnamed": (put("tasks", "floor", "classes", value=[]), "no classes"),
    "colour": (put("tasks", "floor", "colors", value=[[0, 0, 999]]), "colour"),
    "digest": (put("subnets", 0, "graphs", "onnxruntime", "sha256", value="zz"), "sha256"),
    "long kind": (put("tasks", "depth", "kind", value="\x7f" * 1_000_000), "unknown kind"),
    "tolerance": (put("witness_tolerance", "fp32", value="big"), "finite"),
    "tolerance beyond floats": (put("witness_tolerance", "fp32", value=10**400), "outside"),
    "quality beyond floats": (put("subnets", 0, "quality", "depth", "value", value=10**400), "outside"),
    "width beyond floats": (put("subnets", 0, "widths", "encoder", value=[10**400]), "outside"),
    "range beyond floats": (put("tasks", "depth", "value_range", value=[0, 10**400]), "as the format asks"),
    "macs beyond floats": (put("subnets", 0, "macs", value=10**400), "outside"),
    "fewer colours than classes": (put("tasks", "floor", "colors", value=[[0, 0, 0]]), "1 colours for 3 classes"),
    "tolerance with an escape": (put("witness_tolerance", "\x1b[2J", value=2.0), "printable"),
    "provenance with an escape": (put("provenance", "made", value="by \x9b31m me"), "printable"),
    "provenance backwards": (put("provenance", "made", value="by \u202e me"), "printable"),
}
"""Name -> what is done to a manifest, and what the error says."""

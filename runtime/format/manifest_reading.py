"""Reading a manifest: every key that is used is checked, and the first thing wrong is named."""

from __future__ import annotations

import re
from typing import Any

from ...devices.errors import SuiteError
from ..graphs import MAX_GRAPH_BYTES
from .bounded import MAX_COUNT, integer, mapping, number, parse_json, sequence, text
from .manifest import (
    FORMAT_MAJOR,
    Cost,
    GraphInfo,
    InputInfo,
    Manifest,
    Quality,
    QualityData,
    SubnetInfo,
    Widths,
)
from .tasks import Task

_SHA256 = re.compile("[0-9a-f]{64}")
_MAX_SUBNETS = 10_000
_MAX_TASKS = 100
_MAX_CLASSES = 10_000
_MAX_SIDE = 16_384


def parse_manifest(raw: str, what: str) -> Manifest:
    """Read the manifest of `what` (its file name, for messages); SuiteError names the first thing wrong.

    An unknown minor version and unknown keys are accepted, an unknown major version is not.
    """
    fields = mapping(parse_json(raw, f"the manifest of {what}"), "the manifest")
    version = _version(fields.get("format_version"), what)
    try:
        return _manifest(fields, version)
    except KeyError as error:
        raise SuiteError(f"the manifest of {what} is damaged: {error} is missing") from None
    except SuiteError as error:
        raise SuiteError(f"the manifest of {what} is damaged: {error}") from None


def _version(value: Any, what: str) -> str:
    parts = value.split(".") if isinstance(value, str) and len(value) < 20 else []
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise SuiteError(f"{what} is not a suite: its manifest states no format version")
    if int(parts[0]) != FORMAT_MAJOR:
        raise SuiteError(
            f"{what} is of suite format {value}; this pliant reads format {FORMAT_MAJOR}: "
            "use the pliant that made it, or export it again"
        )
    return str(value)


def _manifest(fields: dict[str, Any], version: str) -> Manifest:
    tasks = {
        text(name, "a task's name", 64): _task(name, entry)
        for name, entry in mapping(fields["tasks"], "tasks", _MAX_TASKS).items()
    }
    if not tasks:
        raise SuiteError("it names no task")
    subnets = tuple(_subnet(entry, tasks) for entry in sequence(fields["subnets"], "subnets", _MAX_SUBNETS))
    if not subnets:
        raise SuiteError("it names no subnet")
    if len({subnet.id for subnet in subnets}) != len(subnets):
        raise SuiteError("two subnets have the same id")
    tolerances = mapping(fields["witness_tolerance"], "witness_tolerance", 100)
    return Manifest(
        version,
        text(fields["name"], "name"),
        _input(mapping(fields["input"], "input")),
        tasks,
        subnets,
        _quality_data(mapping(fields["quality_data"], "quality_data")),
        {
            text(name, "a precision in witness_tolerance", 64): number(value, f"the tolerance of {name}", 0.0, 1.0)
            for name, value in tolerances.items()
        },
        _sha256(fields["digests_sha256"], "digests_sha256"),
        {
            text(name, "a key of provenance"): _free(value, f"provenance {name!r}")
            for name, value in mapping(fields.get("provenance", {}), "provenance", 1000).items()
        },
    )


def _input(entry: dict[str, Any]) -> InputInfo:
    fewest, most = _pair(entry["batch"], "input.batch")
    integer(fewest, "input.batch", 1, 4096)
    integer(most, "input.batch", fewest, 4096)
    if (entry["color"], entry["dtype"]) != ("RGB", "uint8"):
        raise SuiteError("its input is not uint8 RGB, all that format 1 knows")
    height = integer(entry["height"], "input.height", 1, _MAX_SIDE)
    width = integer(entry["width"], "input.width", 1, _MAX_SIDE)
    return InputInfo(height, width, "RGB", "uint8", (fewest, most))


def _task(name: str, entry: Any) -> Task:
    task = Task.from_json(name, mapping(entry, f"task {name!r}"))
    if name.startswith("/") or name.endswith("/logits"):
        raise SuiteError(f"a task cannot be called {name!r}")
    if len(task.classes) > _MAX_CLASSES or len(task.colors) > _MAX_CLASSES:
        raise SuiteError(f"task {name!r} has more than {_MAX_CLASSES} classes")
    if task.kind in ("segmentation", "classification") and not task.classes:
        raise SuiteError(f"task {name!r} names no classes")
    if task.colors and len(task.colors) != len(task.classes):
        raise SuiteError(f"task {name!r} has {len(task.colors)} colours for {len(task.classes)} classes")
    for label in task.classes:
        text(label, f"a class of task {name!r}")
    if any(not 0 <= part <= 255 for color in task.colors for part in color):
        raise SuiteError(f"a colour of task {name!r} is outside 0 to 255")
    for value in task.value_range:
        number(value, f"the value range of task {name!r}")
    return task


def _subnet(entry: Any, tasks: dict[str, Task]) -> SubnetInfo:
    fields = mapping(entry, "a subnet")
    name = text(fields["id"], "a subnet's id", 64)
    where = f"subnet {name!r}"
    parts = mapping(fields["parts"], f"the parts of {where}")
    widths = mapping(fields["widths"], f"the widths of {where}")
    decoders = _by_task(parts["decoders"], tasks, where)
    decoder_widths = _by_task(widths["decoders"], tasks, where)
    quality = _by_task(fields["quality"], tasks, where)
    return SubnetInfo(
        name,
        Widths(
            tuple(_width(width, where) for width in sequence(widths["encoder"], f"the widths of {where}", 1000)),
            {task: _width(decoder_widths[task], where) for task in tasks},
        ),
        text(fields["precision"], f"the precision of {where}", 64),
        integer(fields["macs"], f"the macs of {where}"),
        integer(fields["bytes"], f"the bytes of {where}"),
        _cost(parts["encoder"], where),
        {task: _cost(decoders[task], where) for task in tasks},
        {each: _quality(quality[each], task, where) for each, task in tasks.items()},
        _graphs(fields["graphs"], where),
        text(fields["record"], f"the record of {where}"),
    )


def _by_task(value: Any, tasks: dict[str, Task], where: str) -> dict[str, Any]:
    found = mapping(value, where)
    if found.keys() != tasks.keys():
        raise SuiteError(f"{where} does not describe exactly the tasks {', '.join(tasks)}")
    return found


def _width(value: Any, where: str) -> float:
    if type(value) is float and 1e-6 <= value <= 1.0:
        return value
    return number(value, f"a width of {where}", 1e-6, 1.0)


def _cost(value: Any, where: str) -> Cost:
    if type(value) is dict:
        macs, size = value.get("macs"), value.get("bytes")
        # Nearly all are right: messages are made only where one is not. So below.
        if type(macs) is int and type(size) is int and 0 <= macs <= MAX_COUNT and 0 <= size <= MAX_COUNT:
            return Cost(macs, size)
    entry = mapping(value, f"a part of {where}")
    return Cost(integer(entry["macs"], f"macs of {where}"), integer(entry["bytes"], f"bytes of {where}"))


def _quality(value: Any, task: Task, where: str) -> Quality:
    if type(value) is dict and value.get("metric") == task.metric:
        found, higher = value.get("value"), value.get("higher_is_better")
        if type(found) is float and -1e30 <= found <= 1e30 and type(higher) is bool:
            return Quality(task.metric, found, higher)
    entry = mapping(value, f"the quality of {where}")
    if type(entry["higher_is_better"]) is not bool:
        raise SuiteError(f"the quality of {where} does not say whether higher is better")
    metric = text(entry["metric"], f"a metric of {where}", 64)
    return Quality(metric, number(entry["value"], f"{task.name} of {where}"), entry["higher_is_better"])


def _graphs(value: Any, where: str) -> dict[str, GraphInfo]:
    entry = mapping(value, f"the graphs of {where}", 16)
    if "onnxruntime" not in entry:
        raise SuiteError(f"{where} has no graph for onnxruntime, which every subnet has")
    return {text(target, "a target", 64): _graph(graph, where) for target, graph in entry.items()}


def _graph(value: Any, where: str) -> GraphInfo:
    if type(value) is dict:
        tensor, digest, size = value.get("tensor"), value.get("sha256"), value.get("size")
        if type(size) is int and 0 < size <= MAX_GRAPH_BYTES and type(digest) is str and _SHA256.fullmatch(digest):
            return GraphInfo(text(tensor, "a graph's tensor"), digest, size)
    entry = mapping(value, f"a graph of {where}")
    return GraphInfo(
        text(entry["tensor"], f"a graph of {where}"),
        _sha256(entry["sha256"], f"a graph's sha256 of {where}"),
        integer(entry["size"], f"a graph's size of {where}", 1, MAX_GRAPH_BYTES),
    )


def _quality_data(entry: dict[str, Any]) -> QualityData:
    return QualityData(
        text(entry["name"], "quality_data.name"),
        text(entry["split"], "quality_data.split"),
        integer(entry["images"], "quality_data.images"),
        text(entry["engine"], "quality_data.engine"),
    )


def _free(value: Any, what: str) -> str:
    """Free text for people, who read it in a terminal; other values as they are written."""
    shown = str(value)[:1000]
    return shown and text(shown, what, 1000)


def _pair(value: Any, what: str) -> tuple[Any, Any]:
    items = sequence(value, what, 2)
    if len(items) != 2:
        raise SuiteError(f"{what} must be a pair")
    return items[0], items[1]


def _sha256(value: Any, what: str) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise SuiteError(f"{what} is not a sha256 in hex")
    return value

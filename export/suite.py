"""Writing a suite, format 1.0 (docs/suite-format.md): one safetensors file, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from ..devices.errors import ExportError
from ..runtime.format.record import View
from ..runtime.format.tasks import Task

FORMAT_VERSION = "1.0"
_LEVEL = 9
Array = NDArray[Any]


@dataclass(frozen=True)
class SubnetEntry:
    """One subnet as it is written, its `graphs` by target.

    `describe` has the manifest's keys widths, macs, bytes, parts and quality.
    """

    id: str
    precision: str
    describe: Mapping[str, Any]
    graphs: Mapping[str, bytes]
    views: Mapping[str, View]
    own: Mapping[str, Array]
    witness: Mapping[str, Array]


@dataclass(frozen=True)
class SuiteContent:
    """All that a suite holds. `tensors` are the wide ones (`weights/...`, `int8/...`); `batch` is [fewest, most]."""

    name: str
    image_size: tuple[int, int]
    batch: tuple[int, int]
    tasks: tuple[Task, ...]
    subnets: tuple[SubnetEntry, ...]
    tensors: Mapping[str, Array]
    witness_input: Array
    witness_indices: Mapping[str, Array]
    witness_tolerance: Mapping[str, float]
    quality_data: Mapping[str, Any]
    provenance: Mapping[str, str] = field(default_factory=dict)


def write_suite(
    content: SuiteContent, path: str | os.PathLike[str], check: Callable[[Path], None] | None = None
) -> int:
    """Write the suite atomically and return its size in bytes; an existing file stays until the new one is whole.

    `check` is given the finished file under its temporary name; what it raises leaves the place as it was. Of the
    wide tensors only those are written that a subnet views. Raises ExportError where the place cannot be written, or
    where a subnet views a tensor that is not there.
    """
    data = suite_bytes(content)
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(partial)
        partial.replace(target)
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return len(data)


def suite_bytes(content: SuiteContent) -> bytes:
    """The whole file."""
    tensors = _tensors(content)
    digests = {name: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for name, array in tensors.items()}
    packed = _deflate(_json(digests))
    tensors["digests"] = packed
    manifest = _manifest(content, hashlib.sha256(packed.data).hexdigest())
    return _with_metadata(save(tensors), {"format": "pliant", "pliant": _json(manifest).decode()})


def _tensors(content: SuiteContent) -> dict[str, Array]:
    viewed = {view.tensor for subnet in content.subnets for view in subnet.views.values()}
    missing = sorted(viewed - content.tensors.keys())
    if missing:
        raise ExportError(f"a subnet views {missing[0]!r}, which the suite does not hold")
    tensors: dict[str, Array] = {name: content.tensors[name] for name in sorted(viewed)}
    for subnet in content.subnets:
        tensors.update({graph_name(graph): _deflate(graph) for graph in subnet.graphs.values()})
        tensors[f"record/{subnet.id}"] = _record(subnet)
    tensors["witness/input"] = content.witness_input
    for task in content.tasks:
        tensors[f"witness/{task.name}/indices"] = content.witness_indices[task.name]
    return tensors


def graph_name(graph: bytes) -> str:
    """Where a graph is stored: subnets with equal graphs share one."""
    return f"graph/{hashlib.sha256(graph).hexdigest()[:16]}"


def _record(subnet: SubnetEntry) -> Array:
    views = {
        name: {"tensor": view.tensor, "ranges": [[list(piece) for piece in axis] for axis in view.ranges]}
        for name, view in subnet.views.items()
    }
    arrays: dict[str, Array] = {f"own/{name}": array for name, array in subnet.own.items()}
    arrays.update({f"witness/{name}": array for name, array in subnet.witness.items()})
    arrays["views"] = _deflate(_json(views))
    return np.frombuffer(save(arrays), np.uint8)


def _manifest(content: SuiteContent, digests_sha256: str) -> dict[str, Any]:
    height, width = content.image_size
    batch = list(content.batch)
    return {
        "format_version": FORMAT_VERSION,
        "name": content.name,
        "input": {"height": height, "width": width, "color": "RGB", "dtype": "uint8", "batch": batch},
        "tasks": {task.name: task.to_json() for task in content.tasks},
        "subnets": [_entry(subnet) for subnet in content.subnets],
        "quality_data": dict(content.quality_data),
        "witness_tolerance": dict(content.witness_tolerance),
        "digests_sha256": digests_sha256,
        "provenance": dict(content.provenance),
    }


def _entry(subnet: SubnetEntry) -> dict[str, Any]:
    return {
        "id": subnet.id,
        "precision": subnet.precision,
        **subnet.describe,
        "graphs": {target: _graph(graph) for target, graph in sorted(subnet.graphs.items())},
        "record": f"record/{subnet.id}",
    }


def _graph(graph: bytes) -> dict[str, Any]:
    return {"tensor": graph_name(graph), "sha256": hashlib.sha256(graph).hexdigest(), "size": len(graph)}


def _with_metadata(data: bytes, metadata: dict[str, str]) -> bytes:
    """Put metadata into a safetensors header; the library writes its keys in an order that changes from run to run."""
    size = int.from_bytes(data[:8], "little")
    header = b'{"__metadata__":' + _json(metadata) + b"," + data[9 : 8 + size].rstrip()
    header += b" " * (-len(header) % 8)
    return b"".join((len(header).to_bytes(8, "little"), header, memoryview(data)[8 + size :]))


def _deflate(data: bytes) -> Array:
    return np.frombuffer(zlib.compress(data, _LEVEL), np.uint8)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()

"""A suite's file, open: what stands in it, each part checked as it is read. Opening reads the header only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...devices.errors import BudgetError, SuiteError
from ...devices.words import counted
from ..graphs import MAX_GRAPH_BYTES
from .bounded import inflate, mapping, parse_json
from .container import Container
from .manifest import InputInfo, Manifest, QualityData, SubnetInfo, widest
from .manifest_reading import parse_manifest
from .tasks import Task, check_tasks
from .witness import MAX_SAMPLES

if TYPE_CHECKING:
    from ..graphs.graph import Graph
    from .record import Record

_MAX_DIGESTS = 4 << 20
_KEPT_GRAPHS = 4 << 20
"""Bytes of them; what they become is many times as large."""
_KEPT_RECORDS = 1 << 20
"""The same; a real one has a tenth of it."""


Opened = TypeVar("Opened", bound="SuiteFile")


class SuiteFile:
    """One suite file, open for reading at offsets. Safe to use from many threads; a context manager."""

    def __init__(self, path: str | os.PathLike[str]):
        self.container = Container(path)
        try:
            self.manifest = _manifest(self.container)
        except BaseException:
            self.container.close()
            raise
        self.path: Path = self.container.path
        self.tasks: Mapping[str, Task] = MappingProxyType(self.manifest.tasks)
        self.subnets: tuple[SubnetInfo, ...] = self.manifest.subnets
        self._by_id = {subnet.id: subnet for subnet in self.subnets}
        self._digests: dict[str, str] | None = None
        self._graphs: dict[str, Graph] = {}
        self._records: dict[str, Record] = {}
        self._witness_arrays: dict[str, np.ndarray[Any, Any]] = {}

    @property
    def input(self) -> InputInfo:
        """Size and batch range of the images."""
        return self.manifest.input

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.manifest.name

    @property
    def quality_data(self) -> QualityData:
        """What the quality numbers were measured on."""
        return self.manifest.quality_data

    def subnet(self, name: str) -> SubnetInfo:
        """The subnet called `name`; BudgetError names near ids, where there are any."""
        found = self._by_id.get(name) if isinstance(name, str) else None
        if found is None:
            import difflib

            close = difflib.get_close_matches(str(name), self._by_id, n=3)
            begun = [each for each in self._by_id if name and each.startswith(str(name))]
            near = list(dict.fromkeys([*begun, *close]))[:3]
            mend = f"try {', '.join(near)}" if near else f"`pliant inspect` lists its {len(self._by_id)}"
            raise BudgetError(f"{self.path} has no subnet {name!r}: {mend}")
        return found

    @property
    def widest(self) -> SubnetInfo:
        """The subnet that the quality of others is relative to: the widest fp32, or the widest where none is fp32."""
        return widest(self.subnets)

    def check_tasks(self, tasks: Iterable[str] | str | None) -> tuple[str, ...]:
        """The tasks asked for, in the suite's order (None: all); BudgetError for an unknown one or none."""
        return check_tasks(tasks, self.tasks)

    def graph(self, subnet: SubnetInfo, target: str) -> Graph:
        """The checked graph of a subnet for a target; SuiteError where there is none or its digest is wrong."""
        from ..graphs.graph import parse_graph

        info = subnet.graphs.get(target)
        if info is None:
            raise no_graph(self, subnet, target)
        # Switching goes to and fro: reading a graph again would be a tenth of it.
        known = self._graphs.get(info.sha256)
        if known is not None:
            return known
        what = f"the graph of subnet {subnet.id} in {self.path}"
        data = inflate(self.container.read_bytes(info.tensor, 2 * MAX_GRAPH_BYTES), info.size, what)
        if len(data) != info.size or _sha256(data) != info.sha256:
            raise SuiteError(f"{what} is damaged: its digest is wrong")
        graph = parse_graph(data)
        # A new dictionary each time: other threads may be reading this one.
        kept = {**self._graphs, info.sha256: graph}
        if sum(len(each.data) for each in kept.values()) <= _KEPT_GRAPHS:
            self._graphs = kept
        return graph

    def record(self, subnet: SubnetInfo) -> Record:
        """The record of a subnet, its digest checked; those used last are kept, as switching goes to and fro."""
        from .record import MAX_RECORD, parse_record

        kept = dict(self._records)  # a new one, as for graphs
        record = kept.pop(subnet.record, None)
        if record is None:
            blob = self._checked_bytes(subnet.record, MAX_RECORD)
            record = parse_record(blob, self.container.entries, f"the record of subnet {subnet.id} in {self.path}")
        kept[subnet.record] = record
        while sum(each.size for each in kept.values()) > _KEPT_RECORDS:
            del kept[next(iter(kept))]
        self._records = kept
        return record

    def witness_input(self) -> np.ndarray[Any, Any]:
        """The image that every witness answers: uint8 (1, H, W, 3)."""
        shape = (1, *self.input.shape)
        return self._witness_array("witness/input", np.dtype(np.uint8), int(np.prod(shape))).reshape(shape)

    def witness_indices(self, task: str) -> np.ndarray[Any, Any]:
        """Flat indices into a task's decoded output of a batch of one: int64 (samples,)."""
        return self._witness_array(f"witness/{task}/indices", np.dtype(np.int64), None)

    def tolerance(self, subnet: SubnetInfo) -> float:
        """Relative error that a subnet may have against its witness; a policy's is that of int8."""
        known = self.manifest.witness_tolerance
        tolerance = known.get(subnet.precision, known.get("int8"))
        if tolerance is None:
            raise SuiteError(f"{self.path} states no witness tolerance for {subnet.precision}")
        return tolerance

    def digests(self) -> dict[str, str]:
        """sha256 in hex of every other tensor, itself checked against the manifest; read once."""
        if self._digests is None:
            data = self.container.read_bytes("digests", _MAX_DIGESTS)
            what = f"the list of digests in {self.path}"
            if _sha256(data) != self.manifest.digests_sha256:
                raise SuiteError(f"{what} is damaged: its own digest is wrong")
            found = mapping(parse_json(inflate(data, _MAX_DIGESTS, what), what), what)
            self._digests = {name: str(digest) for name, digest in found.items()}
        return self._digests

    def _checked_bytes(self, tensor: str, limit: int) -> bytes:
        data = self.container.read_bytes(tensor, limit)
        if self.digests().get(tensor) != _sha256(data):
            raise SuiteError(f"{self.path} is damaged: the digest of {tensor!r} is wrong")
        return data

    def _witness_array(self, tensor: str, dtype: np.dtype[Any], size: int | None) -> np.ndarray[Any, Any]:
        known = self._witness_arrays.get(tensor)
        if known is not None:
            return known
        entry = self.container.entry(tensor)
        wanted = int(np.prod(entry.shape)) if size is None else size
        if entry.dtype != dtype or int(np.prod(entry.shape)) != wanted:
            raise SuiteError(f"{self.path} is damaged: {tensor!r} has the wrong dtype or shape")
        limit = MAX_SAMPLES * dtype.itemsize if size is None else size * dtype.itemsize
        found = self._witness_arrays[tensor] = np.frombuffer(self._checked_bytes(tensor, limit), dtype)
        return found

    def close(self) -> None:
        """Close the file. Loaded models go on, but cannot switch any more. Closing twice is fine."""
        self.container.close()

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        held = f"{counted(len(self.subnets), 'subnet')}, tasks {', '.join(self.tasks)}"
        return f"<{type(self).__name__} {str(self.path)!r}: {held}>"


def no_graph(suite: SuiteFile, subnet: SubnetInfo, target: str) -> SuiteError:
    """That a subnet has no graph for a target, and what to do."""
    others = any(target in each.graphs for each in suite.subnets)
    advice = "its precision costs too much there, choose another" if others else "export it with that target"
    return SuiteError(f"{suite.path} has no graph of subnet {subnet.id} for {target}: {advice}")


def _sha256(data: bytes) -> str:
    import hashlib  # brings OpenSSL, milliseconds that opening does not need

    return hashlib.sha256(data).hexdigest()


def _manifest(container: Container) -> Manifest:
    raw = container.metadata.get("pliant")
    if raw is None:
        raise SuiteError(f"{container.path} is a safetensors file, but not a suite: it has no pliant manifest")
    return parse_manifest(raw, str(container.path))

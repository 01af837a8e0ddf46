"""One subnet in one engine: checked graph and arrays in, a session that has answered its witness out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..devices.errors import PliantError, SuiteError
from .engine import check_memory, check_provider, checked_threads, create_session, one_line, release_memory
from .graph import Graph
from .manifest import SubnetInfo
from .record import Record
from .weights import read_arrays
from .witness import Witness, compare

if TYPE_CHECKING:
    from .suite import Suite

Outputs = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Session:
    """A loaded subnet. `engine` is onnxruntime's InferenceSession; frozen, and safe to run from many threads.

    `witness_error` is the largest relative error against the witness; times are milliseconds.
    """

    subnet: SubnetInfo
    tasks: tuple[str, ...]
    raw: bool
    provider: str
    threads: int
    engine: Any
    witness_error: float
    build_ms: float
    witness_ms: float

    def run(self, images: np.ndarray[Any, Any]) -> Outputs:
        """uint8 (N, H, W, 3) of the suite's size -> {task: array}; the caller has checked `images`."""
        names = self.tasks if not self.raw else [f"{task}/logits" for task in self.tasks]
        return dict(zip(self.tasks, _run(self.engine, names, images), strict=True))


def load_subnet(
    suite: Suite,
    subnet: SubnetInfo | str,
    tasks: Iterable[str] | str | None = None,
    raw: bool = False,
    provider: str = "cpu",
    threads: int | None = None,
    *,
    quiet: bool = False,
) -> Session:
    """Build a session of one subnet for some tasks (None: all) and check it against its witness.

    `raw` gives logits instead of decoded outputs; `quiet` is for sessions that take turns (see
    `create_session`). Raises SuiteError (the file), EngineUnavailable, BudgetError, PliantError (not enough memory).
    """
    try:
        return _load(suite, subnet, tasks, raw, provider, threads, quiet)
    except MemoryError as error:
        name = subnet if isinstance(subnet, str) else subnet.id
        why = f": {one_line(error)}" if str(error) else ""
        raise PliantError(
            f"not enough memory to load subnet {name} of {suite.path}{why}; free some, or choose a narrower one"
        ) from None


def _load(
    suite: Suite,
    subnet: SubnetInfo | str,
    tasks: Iterable[str] | str | None,
    raw: bool,
    provider: str,
    threads: int | None,
    quiet: bool,
) -> Session:
    info = suite.subnet(subnet) if isinstance(subnet, str) else subnet
    names, provider = suite.check_tasks(tasks), check_provider(provider)
    threads = checked_threads(threads)
    what = f"subnet {info.id} of {suite.path}"
    start = time.perf_counter()
    graph, record = suite.graph(info, "onnxruntime"), suite.record(info)
    check_interface(suite, graph)
    witnesses = read_witnesses(suite, record, names)

    def build(outputs: list[str]) -> Any:
        cut = graph.pruned(outputs)
        arrays = read_arrays(suite.container, record, cut, what)
        return create_session(cut.to_bytes(), arrays, provider, threads, what, quiet=quiet)

    engine = build([f"{name}/logits" if raw else name for name in names])
    built = time.perf_counter()
    checked = build([out for name in names for out in (name, f"{name}/logits")]) if raw else engine
    image = suite.witness_input()
    outputs = _answer(checked, list(names), image, what)
    error = compare(witnesses, outputs, suite.tolerance(info), what)
    if raw:
        _compare_logits(engine, checked, names, image, what)
    del checked, outputs
    release_memory()
    done = time.perf_counter()
    return Session(info, names, raw, provider, threads, engine, error, (built - start) * 1e3, (done - built) * 1e3)


def read_witnesses(suite: Suite, record: Record, tasks: tuple[str, ...]) -> list[Witness]:
    """The witness of each task, from the subnet's record and the suite's indices."""
    try:
        return [
            Witness(
                suite.tasks[task], suite.witness_indices(task), record.witness[task], record.witness[f"{task}/summary"]
            )
            for task in tasks
        ]
    except KeyError as error:
        raise SuiteError(f"{suite.path} is damaged: the witness {error} is missing") from None


def check_interface(suite: Suite, graph: Graph) -> None:
    """Refuse a graph whose input or outputs are not those that the manifest's tasks ask for."""
    size = suite.input
    if graph.input.dtype != np.uint8 or graph.input.dims[1:] != size.shape or len(graph.input.dims) != 4:
        raise SuiteError(f"a graph of {suite.path} does not take the images that its manifest says")
    for name, task in suite.tasks.items():
        dense = (size.height, size.width)
        decoded = {"normals": (*dense, 3), "classification": (task.channels,)}.get(task.kind, dense)
        logits = (task.channels,) if task.kind == "classification" else (task.channels, *dense)
        dtype = np.uint8 if task.kind == "segmentation" else np.float32
        for output, shape, kind in ((name, decoded, dtype), (f"{name}/logits", logits, np.float32)):
            value = graph.outputs.get(output)
            if value is None or value.dtype != kind or value.dims[1:] != shape:
                raise SuiteError(f"a graph of {suite.path} has no output {output!r} of {np.dtype(kind)} (N, {shape})")


def _run(engine: Any, names: Any, images: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    try:
        return engine.run(names, {"images": images})  # type: ignore[no-any-return]
    except Exception as error:  # onnxruntime's own classes derive from Exception directly
        raise PliantError(f"onnxruntime failed: {one_line(error)}") from error


def _answer(engine: Any, names: list[str], image: np.ndarray[Any, Any], what: str) -> Outputs:
    try:
        return dict(zip(names, engine.run(names, {"images": image}), strict=True))
    except Exception as error:
        check_memory(error)
        raise SuiteError(f"{what} cannot be run: {one_line(error)}") from error


def _compare_logits(engine: Any, checked: Any, tasks: tuple[str, ...], image: np.ndarray[Any, Any], what: str) -> None:
    """The lean session must give the logits of the one whose decoded outputs were checked."""
    names = [f"{task}/logits" for task in tasks]
    ours, theirs = _answer(engine, names, image, what), _answer(checked, names, image, what)
    for name in names:
        span = float(np.ptp(theirs[name])) or 1.0
        if not float(np.abs(ours[name] - theirs[name]).max()) <= 1e-2 * span:
            raise SuiteError(f"{what} gives other logits when only logits are asked for: the engine is at fault")

"""One subnet in one engine: checked graph and arrays in, a session that has answered its witness out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..devices.errors import BudgetError, PliantError, SuiteError
from ..devices.words import one_line
from .engine import (
    check_provider,
    checked_threads,
    create_session,
    target_of,
)
from .format.manifest import SubnetInfo
from .format.record import Record
from .format.weights import read_arrays
from .graphs.folding import fold_batch_norms
from .heap import release_soon
from .interface import check_interface
from .tensorrt.settings import ENGINES
from .witnessing import Outputs, answer, compare_witness, read_witnesses

if TYPE_CHECKING:
    from .format.suite_file import SuiteFile

Builder = Callable[[list[str]], Any]
"""From outputs of a graph to something that runs them: onnxruntime's session, or an engine with the same `run`."""


@dataclass(frozen=True)
class Session:
    """A loaded subnet; frozen, and safe to run from many threads. `engine` is onnxruntime's InferenceSession, or what
    runs TensorRT's engine in its place.

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
        return dict(zip(self.tasks, _run(self.engine, self.outputs, images), strict=True))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs, in the order of `tasks`."""
        return tuple(f"{task}/logits" for task in self.tasks) if self.raw else self.tasks


def load_subnet(
    suite: SuiteFile,
    subnet: SubnetInfo | str,
    tasks: Iterable[str] | str | None = None,
    raw: bool = False,
    provider: str = "cpu",
    threads: int | None = None,
    *,
    quiet: bool = False,
    batch: int = 1,
) -> Session:
    """Build a session of one subnet for some tasks (None: all) and check it against its witness.

    `raw` gives logits instead of decoded outputs; `quiet` is for sessions that take turns (see `create_session`);
    `batch` is the least that a TensorRT engine must have been built for. Raises SuiteError (the file),
    EngineUnavailable, BudgetError, PliantError (not enough memory).
    """
    try:
        return _load(suite, subnet, tasks, raw, provider, threads, quiet, batch)
    except MemoryError as error:
        name = subnet if isinstance(subnet, str) else subnet.id
        why = f": {one_line(error)}" if str(error) else ""
        raise PliantError(
            f"not enough memory to load subnet {name} of {suite.path}{why}; free some, or choose a narrower one"
        ) from None
    finally:
        release_soon()


def _load(
    suite: SuiteFile,
    subnet: SubnetInfo | str,
    tasks: Iterable[str] | str | None,
    raw: bool,
    provider: str,
    threads: int | None,
    quiet: bool,
    batch: int,
) -> Session:
    info = suite.subnet(subnet) if isinstance(subnet, str) else subnet
    names, provider = suite.check_tasks(tasks), check_provider(provider)
    threads = checked_threads(threads)
    what = f"subnet {info.id} of {suite.path}"
    start = time.perf_counter()
    record = suite.record(info)
    witnesses = read_witnesses(suite, record, names)
    if provider in ENGINES:
        build = _engine_builder(suite, info, names, raw, provider, batch, what)
    else:
        build = _session_builder(suite, info, record, provider, threads, quiet, what)
    engine = build([f"{name}/logits" if raw else name for name in names])
    built = time.perf_counter()
    checked = build([out for name in names for out in (name, f"{name}/logits")]) if raw else engine
    error = compare_witness(suite, info, checked, witnesses, names, what)
    if raw:
        _compare_logits(engine, checked, names, suite.witness_input(), what)
    del checked
    done = time.perf_counter()
    return Session(info, names, raw, provider, threads, engine, error, (built - start) * 1e3, (done - built) * 1e3)


def _session_builder(
    suite: SuiteFile, info: SubnetInfo, record: Record, provider: str, threads: int, quiet: bool, what: str
) -> Builder:
    """By onnxruntime, of any outputs of the graph."""
    graph = suite.graph(info, target_of(provider))
    check_interface(suite, graph)

    def build(outputs: list[str]) -> Any:
        cut = graph.pruned(outputs)
        folded, arrays = fold_batch_norms(cut, read_arrays(suite.container, record, cut, what))
        return create_session(folded.to_bytes(), arrays, provider, threads, what, quiet=quiet)

    return build


def _engine_builder(
    suite: SuiteFile, info: SubnetInfo, tasks: tuple[str, ...], raw: bool, provider: str, batch: int, what: str
) -> Builder:
    """By TensorRT, where the engine is built already."""
    if raw:
        raise BudgetError(f"engines of {provider} give decoded outputs only: leave out raw")

    def build(outputs: list[str]) -> Any:
        from .tensorrt.load import load_engine

        return load_engine(suite, info, tasks, provider, what, batch=batch)

    return build


def _run(engine: Any, names: Any, images: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    try:
        return engine.run(names, {"images": images})  # type: ignore[no-any-return]
    except PliantError:
        raise
    except Exception as error:  # onnxruntime's own classes derive from Exception directly
        raise PliantError(f"onnxruntime failed: {one_line(error)}") from error


def _compare_logits(engine: Any, checked: Any, tasks: tuple[str, ...], image: np.ndarray[Any, Any], what: str) -> None:
    """The lean session must give the logits of the one whose decoded outputs were checked."""
    names = [f"{task}/logits" for task in tasks]
    ours, theirs = answer(engine, names, image, what), answer(checked, names, image, what)
    for name in names:
        span = float(np.ptp(theirs[name])) or 1.0
        if not float(np.abs(ours[name] - theirs[name]).max()) <= 1e-2 * span:
            raise SuiteError(f"{what} gives other logits when only logits are asked for: the engine is at fault")

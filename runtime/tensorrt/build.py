"""From a checked graph and its arrays to a plan: strongly typed, so that precision is what the graph says.

Building takes seconds to tens of minutes. It goes on in a thread, tells how far it is, and can be stopped: the vendor's
builder asks its progress monitor after every step whether to go on.
"""

from __future__ import annotations

import atexit
import tempfile
import threading
from collections import Counter, deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...devices.errors import EngineUnavailable, PliantError, SuiteError
from ...devices.measure import Progress
from ...devices.words import one_line
from ..forking import renew_in_children
from .bindings import Bindings, last_said, vendor_logger
from .parsing import Arrays, complaints, give
from .precision import layer_precisions
from .refit import strip
from .settings import BuildSettings
from .timing import TimingCache


class _Turn:
    """Builds take turns: they share what the vendor's library says. None begins while the process `end`s."""

    def __init__(self) -> None:
        self._after_fork()
        renew_in_children(self)

    def _after_fork(self) -> None:
        self.lock = threading.Lock()
        # A signal's handler may build too, in the thread that holds it.
        self.end = threading.RLock()


_TURN = _Turn()
_RUNNING: set[_Job] = set()
"""Builds that an exit of the process has to wait for: their threads call back into Python."""
_ENDED = threading.Event()
_LOOK = 0.1
"""Seconds between two looks at whether a build is done, or is to be stopped."""
_BEGIN = 1.0
"""Seconds within which a thread that was started begins; one whose start was interrupted may never have been."""


@dataclass(frozen=True)
class EnginePlan:
    """A serialized engine. `layers` says what each layer with weights computes in, `said` are warnings."""

    data: bytes
    layers: dict[str, str]
    said: tuple[str, ...]

    @property
    def precisions(self) -> dict[str, int]:
        """How many layers compute in what."""
        return dict(Counter(self.layers.values()))


def build_plan(
    bindings: Bindings,
    graph: bytes,
    arrays: Arrays,
    settings: BuildSettings,
    what: str,
    *,
    report: Progress | None = None,
    stripped: bool = False,
    timing: TimingCache | None = None,
) -> EnginePlan:
    """Build one engine of a weightless ONNX graph; `what` names it in messages.

    A `stripped` plan holds no weights (`refit`). What `timing` remembers of earlier builds is not measured again.

    Raises SuiteError where the vendor's parser refuses the graph, EngineUnavailable where nothing comes of it.
    KeyboardInterrupt stops the build first.
    """
    job = _Job(bindings, graph, arrays, settings, what, report, stripped, timing)
    try:
        job.start()
        while job.thread.is_alive():
            job.thread.join(_LOOK)
            job.tell()
    except BaseException:
        job.end()
        raise
    finally:
        _RUNNING.discard(job)
    if job.error is not None:
        raise job.error
    assert job.plan is not None
    return job.plan


class _Job:
    """One build, in a thread of its own."""

    def __init__(
        self,
        bindings: Bindings,
        graph: bytes,
        arrays: Arrays,
        settings: BuildSettings,
        what: str,
        report: Progress | None = None,
        stripped: bool = False,
        timing: TimingCache | None = None,
    ):
        self.stripped, self.timing = stripped, timing
        self.bindings, self.graph, self.settings, self.what = bindings, graph, settings, what
        # The parser keeps pointers, not copies: they must outlive the build.
        self.arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        self.report = report
        self.stop, self.began = False, threading.Event()
        self.thread = threading.Thread(target=self.run, name=what, daemon=True)
        self.plan: EnginePlan | None = None
        self.error: PliantError | None = None
        self.at = (what, 0, 1)

    def start(self) -> None:
        """Build in a thread; whoever starts it ends it, or the end of the process does."""
        _at_exit()
        with _TURN.end:
            if exiting():
                raise EngineUnavailable(f"{self.what} was stopped: the process ends")
            # Before it starts: an interrupted start may have begun a thread that an exit has to wait for.
            _RUNNING.add(self)
            self.thread.start()

    def end(self) -> None:
        """Have the builder stop after its step, and wait for that."""
        self.stop = True
        if self in _RUNNING and self.began.wait(_BEGIN):
            self.thread.join()

    def run(self) -> None:
        """Build; what goes wrong is kept for the thread that waits."""
        self.began.set()
        try:
            while not _TURN.lock.acquire(timeout=_LOOK):
                if self.stop:
                    raise EngineUnavailable(f"{self.what} was stopped")
            try:
                self.plan = self._build()
            finally:
                _TURN.lock.release()
        except PliantError as error:
            self.error = error
        except Exception as error:  # the bindings' own: TypeError where their library gives nothing, and others
            self.error = EngineUnavailable(f"{self.what} failed: {one_line(error)}")

    def tell(self) -> None:
        """Say how far it is, in the thread that waits: a bar is not drawn from many."""
        if self.report is not None:
            self.report(*self.at)

    def _build(self) -> EnginePlan:
        trt = self.bindings.module
        logger = vendor_logger(trt)
        said: deque[str] = deque(maxlen=1000)
        logger.said = said
        return self._built(trt, logger, said)

    def _built(self, trt: Any, logger: Any, said: deque[str]) -> EnginePlan:
        builder = trt.Builder(logger)
        network = builder.create_network(_strongly_typed(trt))
        with tempfile.TemporaryDirectory() as folder:
            self._parse(trt.OnnxParser(network, logger), said, Path(folder))
            layers = layer_precisions(network, trt)
            config = self._config(trt, builder, network)
            monitor = _monitor(trt, self)
            config.progress_monitor = monitor
            known = None if self.timing is None else self.timing.lend(config)
            data = builder.build_serialized_network(network, config)
        if self.timing is not None and data is not None:
            self.timing.keep(known)
        if data is None:
            raise EngineUnavailable(f"{self.what} could not be built for {self.settings}: {last_said(said)}")
        return EnginePlan(bytes(memoryview(data)), layers, tuple(said))

    def _parse(self, parser: Any, said: deque[str], folder: Path) -> None:
        if not give(parser, self.graph, self.arrays, folder, verb="parse"):
            why = one_line(complaints(parser) or last_said(said))
            raise SuiteError(f"{self.what} is refused by the parser of {self.settings}: {why}")

    def _config(self, trt: Any, builder: Any, network: Any) -> Any:
        config, settings = builder.create_builder_config(), self.settings
        # fp32 is fp32: ten bits of it would be another precision, and witnesses would tell.
        config.clear_flag(trt.BuilderFlag.TF32)
        # What the inspector can prove precision by.
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if self.stripped:
            strip(trt, config)
        if settings.capability is not None:
            config.num_compute_capabilities = 1
            name = "SM" + settings.capability.replace(".", "")
            config.set_compute_capability(getattr(trt.ComputeCapability, name), 0)
        if settings.dla is not None:
            config.default_device_type, config.DLA_core = trt.DeviceType.DLA, settings.dla
            config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
        profile = builder.create_optimization_profile()
        images = network.get_input(0)
        shapes = ((count, *tuple(images.shape)[1:]) for count in (1, 1, settings.batch))
        profile.set_shape(images.name, *shapes)
        config.add_optimization_profile(profile)
        return config


def exiting() -> bool:
    """Whether the process ends: then nothing more is built."""
    return _ENDED.is_set()


@cache
def _at_exit() -> None:
    atexit.register(_end)


def _end() -> None:
    # The vendor's threads end the whole process badly if Python is gone when they call back.
    with _TURN.end:
        _ENDED.set()
        running = list(_RUNNING)
    for job in running:
        job.end()


def _strongly_typed(trt: Any) -> int:
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    # A later version may know no other networks, and so no flag.
    return 0 if flag is None else 1 << int(flag)


def _monitor(trt: Any, job: _Job) -> Any:
    """Told from any thread of the builder's; the outermost phase is what people want to see."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.outer: tuple[str, int] | None = None

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self.outer = (phase, steps)
                job.at = (job.what, 0, max(1, steps))

        def step_complete(self, phase: str, step: int) -> bool:
            if self.outer is not None and phase == self.outer[0]:
                job.at = (job.what, min(step + 1, self.outer[1]), max(1, self.outer[1]))
            return not job.stop

        def phase_finish(self, phase: str) -> None:
            pass

    return Monitor()

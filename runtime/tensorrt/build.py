"""From a checked graph and its arrays to a plan: strongly typed, so that precision is what the graph says.

Building takes seconds to tens of minutes. It goes on in a thread, tells how far it is, and can be stopped: the vendor's
builder asks its progress monitor after every step whether to go on.
"""

from __future__ import annotations

import tempfile
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...devices.errors import EngineUnavailable, SuiteError
from ...devices.measure import Progress
from .bindings import Bindings, last_said, vendor_logger
from .refit import strip
from .settings import BuildSettings
from .timing import TimingCache

Arrays = Mapping[str, "np.ndarray[Any, Any]"]
_ONE_AT_A_TIME = threading.Lock()
"""Builds: they share what the vendor's library says."""
_LOOK = 0.1
"""Seconds between two looks at whether a build is done, or is to be stopped."""


@dataclass(frozen=True)
class Plan:
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
) -> Plan:
    """Build one engine of a weightless ONNX graph; `what` names it in messages.

    A `stripped` plan holds no weights (`refit`). What `timing` remembers of earlier builds is not measured again.

    Raises SuiteError where the vendor's parser refuses the graph, EngineUnavailable where nothing comes of it.
    KeyboardInterrupt stops the build first.
    """
    job = _Job(bindings, graph, arrays, settings, what, report, stripped, timing)
    thread = threading.Thread(target=job.run, name=f"building {what}", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK)
            job.tell()
    except BaseException:
        job.stop = True
        thread.join()
        raise
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
        self.stop = False
        self.plan: Plan | None = None
        self.error: Exception | None = None
        self.at: tuple[str, int, int] | None = None

    def run(self) -> None:
        """Build; what goes wrong is kept for the thread that waits."""
        try:
            self.plan = self._build()
        except Exception as error:
            self.error = error

    def tell(self) -> None:
        """Say how far it is, in the thread that waits: a bar is not drawn from many."""
        if self.report is not None and self.at is not None:
            self.report(*self.at)

    def _build(self) -> Plan:
        trt = self.bindings.module
        with _ONE_AT_A_TIME:
            logger = vendor_logger(trt)
            said: deque[str] = deque(maxlen=1000)
            logger.said = said
            return self._built(trt, logger, said)

    def _built(self, trt: Any, logger: Any, said: deque[str]) -> Plan:
        builder = trt.Builder(logger)
        network = builder.create_network(_strongly_typed(trt))
        with tempfile.TemporaryDirectory() as folder:
            self._parse(trt.OnnxParser(network, logger), network, said, Path(folder))
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
        return Plan(bytes(memoryview(data)), layers, tuple(said))

    def _parse(self, parser: Any, network: Any, said: deque[str], folder: Path) -> None:
        if hasattr(parser, "load_initializer"):
            done = parser.load_model_proto(self.graph) and all(
                parser.load_initializer(name, array.ctypes.data, array.nbytes) for name, array in self.arrays.items()
            )
            done = done and parser.parse_model_proto()
        else:  # 10.3: weights from files only
            done = parser.parse_from_file(str(_written(self.graph, self.arrays, folder)))
        if not done:
            found = [parser.get_error(index) for index in range(parser.num_errors)]
            why = "; ".join(f"{each.node_name()}: {each.desc()}" for each in found[:3]) or last_said(said)
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


def layer_precisions(network: Any, trt: Any) -> dict[str, str]:
    """Of each layer with weights: int8 where all that it computes with comes out of a DQ, else its result's type."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    makers = {layer.get_output(0).name: layer for layer in layers if layer.num_outputs}
    types = {trt.DataType.FLOAT: "fp32", trt.DataType.HALF: "fp16"}
    found = {}
    for layer in layers:
        # Layers with weights are named as their module; what decodes has a product too.
        if layer.type not in (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY) or "/" in layer.name:
            continue
        inputs = [layer.get_input(index) for index in range(min(2, layer.num_inputs))]
        made = [makers.get(each.name) for each in inputs if each is not None]
        integer = len(made) == 2 and all(each is not None and each.type == trt.LayerType.DEQUANTIZE for each in made)
        found[layer.name] = "int8" if integer else types.get(layer.get_output(0).dtype, str(layer.get_output(0).dtype))
    return found


def _strongly_typed(trt: Any) -> int:
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    # A later version may know no other networks, and so no flag.
    return 0 if flag is None else 1 << int(flag)


def _written(graph: bytes, arrays: Arrays, folder: Path) -> Path:
    """The graph with its weights beside it, as `extract` writes them."""
    from ..graph import parse_graph

    places, at = {}, 0
    with (folder / "weights").open("wb") as file:
        for name, array in arrays.items():
            places[name] = ("weights", at, array.nbytes)
            at += file.write(array.tobytes())
    path = folder / "model.onnx"
    path.write_bytes(parse_graph(graph).to_bytes(places))
    return path


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

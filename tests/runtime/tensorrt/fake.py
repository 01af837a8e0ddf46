"""A GPU where there is none: just what `runtime.tensorrt` uses of CUDA and of a running TensorRT, strict about order.

Parsing, typing and configuring is done by NVIDIA's own TensorRT for RTX. What would need a GPU is done here: plans hold
the graph, engines run it by onnxruntime, out of memory that stands for the GPU's (`fake_gpu`), where a result that is
used too early is wrong. Whatever the real bindings would refuse, or would crash on, is an AssertionError.
"""

from __future__ import annotations

import ctypes
import io
import json
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx

from pliant.runtime.engine import create_session

from .fake_gpu import ALIGNED, Gpu

Array = np.ndarray[Any, Any]


class Vendor:
    """A module like `tensorrt`; `gpu` runs its engines. The switches make it one of the versions that do less."""

    def __init__(self, real: Any, gpu: Gpu, version: str = "11.4.1"):
        self.real, self.gpu = real, gpu
        self.refits, self.tells, self.deaf, self.corrupts = True, True, False, False
        names = {name: getattr(real, name) for name in dir(real) if not name.startswith("__")}
        del names["ComputeCapability"]
        made: dict[str, Any] = {"Builder": self._builder, "OnnxParser": self._parser, "Runtime": self._runtime}
        made["OnnxParserRefitter"] = ParserRefitter
        self.module = ModuleType("tensorrt")
        self.module.__dict__.update({**names, **made, "Refitter": Refitter, "__version__": version})

    def _builder(self, logger: Any) -> Any:
        return Builder(self, self.real.Builder(logger))

    def _parser(self, network: Any, logger: Any) -> Any:
        return Parser(self.real.OnnxParser(network, logger), network)

    def _runtime(self, logger: Any) -> Any:
        assert isinstance(logger, self.real.ILogger)
        return Runtime(self)


_PARSED: dict[int, tuple[bytes, dict[str, Array]]] = {}
"""What was parsed into a network, by the network."""


class Parser:
    """NVIDIA's parser, and what it was given."""

    def __init__(self, real: Any, network: Any):
        self._real, self._network = real, network
        self._graph, self._weights = b"", dict[str, Array]()
        self.num_errors = 0

    def load_model_proto(self, graph: bytes) -> bool:
        self._graph = graph
        return bool(self._real.load_model_proto(graph))

    def load_initializer(self, name: str, address: int, nbytes: int) -> bool:
        kind = next(each for each in onnx.load_from_string(self._graph).graph.initializer if each.name == name)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.data_type)
        self._weights[name] = np.frombuffer(ctypes.string_at(address, nbytes), dtype).reshape(kind.dims)
        return bool(self._real.load_initializer(name, address, nbytes))

    def parse_model_proto(self) -> bool:
        _PARSED[id(self._network)] = self._graph, self._weights
        return bool(self._real.parse_model_proto())


class Builder:
    """NVIDIA's builder up to the last step, which needs a GPU."""

    def __init__(self, vendor: Vendor, real: Any):
        self._vendor, self._real = vendor, real
        self._profiles: list[Any] = []

    def create_network(self, flags: int) -> Any:
        return self._real.create_network(flags)

    def create_builder_config(self) -> Any:
        return self._real.create_builder_config()

    def create_optimization_profile(self) -> Any:
        self._profiles.append(self._real.create_optimization_profile())
        return self._profiles[-1]

    def build_serialized_network(self, network: Any, config: Any) -> bytes:
        trt = self._vendor.real
        graph, weights = _PARSED.pop(id(network))
        stripped = config.get_flag(trt.BuilderFlag.STRIP_PLAN)
        assert stripped == config.get_flag(trt.BuilderFlag.REFIT_IDENTICAL)
        assert not config.get_flag(trt.BuilderFlag.REFIT)
        assert not config.get_flag(trt.BuilderFlag.TF32)
        assert config.num_optimization_profiles == 1
        most = tuple(self._profiles[0].get_shape("images")[2])
        file = io.BytesIO()
        kept: dict[str, Any] = {} if stripped else {f"weights/{name}": array for name, array in weights.items()}
        about = json.dumps({"most": most, "stripped": stripped, "version": self._vendor.module.__version__})
        np.savez(file, graph=np.frombuffer(graph, np.uint8), about=np.array(about), **kept)
        return file.getvalue()


class Runtime:
    DLA_core = -1

    def __init__(self, vendor: Vendor):
        self._vendor = vendor

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        parts = dict(np.load(io.BytesIO(plan)))
        about = json.loads(str(parts.pop("about")))
        # An engine of another version is none.
        return Engine(self._vendor, parts, about) if about["version"] == self._vendor.module.__version__ else None


class Engine:
    device_memory_size_v2 = 3000

    def __init__(self, vendor: Vendor, parts: dict[str, Array], about: dict[str, Any]):
        self.vendor, self.stripped, self._most = vendor, about["stripped"], tuple(about["most"])
        self.graph = parts.pop("graph").tobytes()
        self.model = onnx.load_from_string(self.graph)
        self.weights = {name.removeprefix("weights/"): array for name, array in parts.items()}
        self._values = [self.model.graph.input[0], *self.model.graph.output]
        self.num_io_tensors = len(self._values)

    def get_tensor_name(self, index: int) -> str:
        return str(self._values[index].name)

    def _value(self, name: str) -> Any:
        return next(each for each in self._values if each.name == name)

    def get_tensor_mode(self, name: str) -> Any:
        mode = self.vendor.real.TensorIOMode
        return mode.INPUT if name == "images" else mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        kinds = self.vendor.real.DataType
        kind = self._value(name).type.tensor_type.elem_type
        return {onnx.TensorProto.FLOAT: kinds.FLOAT, onnx.TensorProto.UINT8: kinds.UINT8}[kind]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(each.dim_value or -1 for each in self._value(name).type.tensor_type.shape.dim)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert (name, profile) == ("images", 0)
        return [(1, *self._most[1:]), (1, *self._most[1:]), self._most]

    def create_execution_context(self, strategy: Any) -> Context:
        assert strategy == self.vendor.real.ExecutionContextAllocationStrategy.USER_MANAGED
        return Context(self)

    def create_engine_inspector(self) -> Any:
        """Of each type that weights have one tensor within, and the images and outputs, which are bytes for all."""
        told = {np.dtype(np.int8): "Row major Int8 format", np.dtype(np.float16): "Half"} if self.vendor.tells else {}
        kinds = {onnx.helper.tensor_dtype_to_np_dtype(each.data_type) for each in self.model.graph.initializer}
        inner = [{"Name": f"within {kind}", "Format/Datatype": told.get(kind, "FP32")} for kind in kinds]
        outer = [{"Name": each.name, "Format/Datatype": "UInt8"} for each in self._values]
        text = json.dumps({"Layers": [{"Inputs": [*outer, *inner], "Outputs": []}, "a layer without details"]})
        return SimpleNamespace(get_engine_information=lambda kind: text)


class Refitter:
    """Knows what is missing; only NVIDIA's ONNX refitter knows by what names a graph's arrays go in an engine."""

    def __init__(self, engine: Engine, logger: Any):
        assert engine.stripped, "only an engine without weights is filled"
        self.engine = engine
        self.found: dict[str, Array] = {}

    def get_missing_weights(self) -> list[str]:
        return [] if self.found else ["tmp_refittable_weight"]

    def refit_cuda_engine(self) -> bool:
        if not self.engine.vendor.refits:
            return False
        self.engine.weights = self.found
        if self.engine.vendor.corrupts:
            self.engine.weights = {
                name: array * 2 if array.dtype.kind == "f" else array for name, array in self.found.items()
            }
        return True


class ParserRefitter:
    """Takes the graph that the engine was built of, then every array, and nothing else."""

    def __init__(self, refitter: Refitter, logger: Any):
        self._refitter = refitter
        self._found: dict[str, Array] = {}
        self._loaded = False
        self.num_errors = 0

    def load_model_proto(self, graph: bytes) -> bool:
        self._loaded = graph == self._refitter.engine.graph
        return self._loaded

    def load_initializer(self, name: str, address: int, nbytes: int) -> bool:
        assert self._loaded, "the graph comes first"
        kinds = {each.name: each for each in self._refitter.engine.model.graph.initializer if each.external_data}
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kinds[name].data_type)
        self._found[name] = np.frombuffer(ctypes.string_at(address, nbytes), dtype).reshape(kinds[name].dims)
        return True

    def refit_model_proto(self) -> bool:
        wanted = {each.name for each in self._refitter.engine.model.graph.initializer if each.external_data}
        if self._found.keys() == wanted:
            self._refitter.found = self._found
        return self._found.keys() == wanted


class Context:
    """Not safe for two threads, as TensorRT's: whoever tries is told."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self._gpu = engine.vendor.gpu
        self._places: dict[str, int] = {}
        self._shape: tuple[int, ...] = ()
        self._block = (0, 0)
        self._busy = False
        self._session: Any = None

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert not self._busy, "a context was used while it ran"
        most = self.engine.get_tensor_profile_shape(name, 0)[2]
        self._shape = tuple(shape)
        return len(shape) == len(most) and all(1 <= each <= limit for each, limit in zip(shape, most, strict=True))

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._gpu.check(self._gpu.memory, address, 1)
        self._places[name] = address
        return True

    def set_device_memory(self, address: int, nbytes: int) -> None:
        self._gpu.check(self._gpu.memory, address, nbytes)
        assert address % ALIGNED == 0
        assert nbytes >= self.engine.device_memory_size_v2
        self._block = (address, nbytes)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert self._shape, "an output's shape was asked for before the input's was set"
        return (self._shape[0], *self.engine.get_tensor_shape(name)[1:])

    def execute_async_v3(self, stream: int) -> bool:
        assert self._shape
        assert set(self._places) == {self.engine.get_tensor_name(index) for index in range(self.engine.num_io_tensors)}
        self._gpu.check(self._gpu.memory, *self._block)
        assert not self._busy, "a context was run by two at a time"
        if self.engine.vendor.deaf:
            return False
        self._busy = True
        self._gpu.streams[stream].append(self._run)
        return True

    def _run(self) -> None:
        self._gpu.check(self._gpu.memory, *self._block)
        if self._session is None:
            self._session = create_session(self.engine.graph, self.engine.weights, "cpu", 1, "a fake engine")
        images = np.frombuffer(ctypes.string_at(self._places["images"], int(np.prod(self._shape))), np.uint8)
        names = [each.name for each in self.engine.model.graph.output]
        for name, array in zip(names, self._session.run(names, {"images": images.reshape(self._shape)}), strict=True):
            self._gpu.check(self._gpu.memory, self._places[name], array.nbytes)
            ctypes.memmove(self._places[name], np.ascontiguousarray(array).ctypes.data, array.nbytes)
        self._busy = False

"""Running an engine: deserialized, refitted where its plan has no weights, one call at a time on a stream of its own.

Images go into pinned memory, from there to the GPU, outputs the way back, all in one stream. Engines that are resident
at the same time take turns with one block of activation memory, as large as the largest of them needs: the GPU runs one
at a time anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ...devices.errors import EngineUnavailable, PliantError
from ...devices.words import one_line
from .bindings import Bindings, last_said, vendor_logger
from .cuda import Cuda, DeviceBuffer
from .refit import refit

Outputs = list["np.ndarray[Any, Any]"]


class Workspace:
    """Activation memory that contexts share in turns: whoever holds `turn` may use it."""

    def __init__(self, cuda: Cuda):
        self.cuda = cuda
        self.turn = threading.Lock()
        self._block: DeviceBuffer | None = None

    def block(self, nbytes: int) -> DeviceBuffer:
        """At least so many bytes; to be called, and used, while holding `turn`."""
        if self._block is None or self._block.nbytes < nbytes:
            self._block = None
            self._block = self.cuda.device(nbytes)
        return self._block


@cache
def shared_workspace(cuda: Cuda, device: int) -> Workspace:
    """The one of a GPU."""
    return Workspace(cuda)


class EngineSession:
    """An engine with its buffers; `run` has the shape of onnxruntime's, and is safe to call from many threads."""

    def __init__(
        self,
        bindings: Bindings,
        cuda: Cuda,
        plan: bytes,
        what: str,
        *,
        weights: tuple[bytes, Mapping[str, np.ndarray[Any, Any]]] | None = None,
        dla: int | None = None,
    ):
        """`weights`, a graph and its arrays, fill a plan that was built without any. `what` names it in messages.

        Raises EngineUnavailable where the engine cannot be read, refitted or given memory.
        """
        self.what, self._cuda, self._device = what, cuda, cuda.current()
        try:
            self._load(bindings.module, plan, weights, dla)
        except PliantError:
            raise
        except Exception as error:  # the bindings' own: TypeError where their library gives nothing, and others
            raise EngineUnavailable(f"{what} cannot be loaded: {one_line(error)}") from error

    def _load(self, trt: Any, plan: bytes, weights: Any, dla: int | None) -> None:
        logger, cuda, what = vendor_logger(trt), self._cuda, self.what
        self._runtime = trt.Runtime(logger)
        if dla is not None:
            self._runtime.DLA_core = dla
        self.engine = self._runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            raise EngineUnavailable(f"{what} cannot be read: {last_said(logger.said)}; build it again")
        if weights is not None:
            graph, arrays = weights
            refit(trt, self.engine, logger, graph, arrays, what)
        self._workspace = shared_workspace(cuda, self._device)
        self._context = self.engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if self._context is None:
            raise EngineUnavailable(f"{what} cannot be run: {last_said(logger.said)}")
        self._stream = cuda.stream()
        self._tensors = _tensors(trt, self.engine, cuda, what)
        self.names = frozenset(self._tensors)
        self.outputs = self.names - {"images"}
        for tensor in self._tensors.values():
            self._context.set_tensor_address(tensor.name, tensor.device.address)

    def run(self, names: Sequence[str], feeds: Mapping[str, np.ndarray[Any, Any]]) -> Outputs:
        """Arrays of the outputs `names` for the images of `feeds`, contiguous uint8 (N, H, W, 3)."""
        with self._workspace.turn:
            self._cuda.use(self._device)
            try:
                return self._run(names, feeds)
            except BaseException:
                # What is on its way still uses memory that the next call, or another engine, writes to.
                self._stream.wait()
                raise

    def _run(self, names: Sequence[str], feeds: Mapping[str, np.ndarray[Any, Any]]) -> Outputs:
        for name, array in feeds.items():
            self._feed(name, array)
        self._give_memory()
        if not self._context.execute_async_v3(self._stream.handle):
            raise PliantError(f"{self.what} failed while it ran")
        views = [self._fetch(name) for name in names]
        self._stream.wait()
        return [view.copy() for view in views]

    def _feed(self, name: str, array: np.ndarray[Any, Any]) -> None:
        tensor = self._tensors[name]
        if array.nbytes > len(tensor.host) or not self._context.set_input_shape(name, array.shape):
            raise PliantError(f"{self.what} was not built for {array.shape[0]} images a call: pliant build --batch")
        tensor.host[: array.nbytes] = array.reshape(-1).view(np.uint8)
        self._cuda.copy(tensor.device.address, tensor.address, array.nbytes, "HostToDevice", self._stream)

    def _give_memory(self) -> None:
        needed = int(self.engine.device_memory_size_v2)
        block = self._workspace.block(needed)
        self._context.set_device_memory(block.address, block.nbytes)

    def _fetch(self, name: str) -> np.ndarray[Any, Any]:
        """A view of pinned memory that holds the output once the stream is done."""
        tensor = self._tensors[name]
        shape = tuple(self._context.get_tensor_shape(name))
        view = tensor.view(shape)
        self._cuda.copy(tensor.address, tensor.device.address, view.nbytes, "DeviceToHost", self._stream)
        return view


class _Tensor:
    """An input or output: room for the largest batch, on the GPU and, pinned, on the host."""

    def __init__(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], cuda: Cuda):
        nbytes = int(np.prod(shape)) * dtype.itemsize
        self.name, self.dtype = name, dtype
        self.device, self.host = cuda.device(nbytes), cuda.pinned(nbytes)
        self.address = int(self.host.ctypes.data)

    def view(self, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        return self.host[: int(np.prod(shape)) * self.dtype.itemsize].view(self.dtype).reshape(shape)


def _tensors(trt: Any, engine: Any, cuda: Cuda, what: str) -> dict[str, _Tensor]:
    types: dict[Any, np.dtype[Any]] = {trt.DataType.FLOAT: np.dtype(np.float32), trt.DataType.UINT8: np.dtype(np.uint8)}
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    images = next((name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT), None)
    if images != "images":
        raise EngineUnavailable(f"{what} takes no images: build it again")
    most, *_ = engine.get_tensor_profile_shape(images, 0)[2]
    found = {}
    for name in names:
        dtype: np.dtype[Any] | None = types.get(engine.get_tensor_dtype(name))
        _, *rest = engine.get_tensor_shape(name)
        if dtype is None or min(rest) < 0:
            raise EngineUnavailable(f"{what} has an unknown kind of {name!r}: build it again")
        found[name] = _Tensor(name, dtype, (most, *rest), cuda)
    return found

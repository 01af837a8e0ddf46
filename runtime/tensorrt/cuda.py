"""An NVIDIA GPU's memory and streams, by NVIDIA's own bindings (cuda-bindings), imported when an engine is to run."""

from __future__ import annotations

import ctypes
import os
import weakref
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from ...devices.errors import EngineUnavailable

_OLD_DRIVER = 35


class Cuda:
    """CUDA's runtime, each call checked. Buffers are freed when nobody holds them any more."""

    def __init__(self, runtime: Any):
        self._runtime = runtime
        self.process = os.getpid()

    def call(self, name: str, *given: Any) -> Any:
        """What a function of CUDA's runtime gives beside its status; EngineUnavailable where that is an error."""
        status, *found = getattr(self._runtime, name)(*given)
        if int(status) != 0:
            raise EngineUnavailable(f"CUDA failed in {name}: {self._text(status)}")
        return found[0] if found else None

    def _text(self, status: Any) -> str:
        _, text = self._runtime.cudaGetErrorString(status)
        return text.decode() if isinstance(text, bytes) else str(text)

    def current(self) -> int:
        """The number of the GPU that this thread uses."""
        return int(self.call("cudaGetDevice"))

    def use(self, number: int) -> None:
        """Have this thread use a GPU: each thread begins with the first one."""
        self.call("cudaSetDevice", number)

    def identity(self) -> str:
        """Name, compute capability and identity of the GPU in use."""
        found = self.call("cudaGetDeviceProperties", self.current())
        name = found.name.split(b"\0")[0].decode(errors="replace") if isinstance(found.name, bytes) else str(found.name)
        uuid = bytes(getattr(found.uuid, "bytes", b""))[:16].hex()
        return f"{name} {found.major}.{found.minor} {uuid}".strip()

    def stream(self) -> Stream:
        """A stream of its own: the default one makes all others wait."""
        return Stream(self)

    def device(self, nbytes: int) -> DeviceBuffer:
        """Memory of the GPU."""
        return DeviceBuffer(self, nbytes)

    def pinned(self, nbytes: int) -> np.ndarray[Any, Any]:
        """Bytes of the host that the GPU copies from and to by itself: uint8 (nbytes,)."""
        address = int(self.call("cudaHostAlloc", nbytes, 0))
        block = (ctypes.c_uint8 * nbytes).from_address(address)
        # Arrays that are made of it, and views of them, keep the block, and so the memory.
        weakref.finalize(block, self._free, "cudaFreeHost", address).atexit = False
        return np.frombuffer(memoryview(block), np.uint8)

    def copy(self, target: int, source: int, nbytes: int, kind: str, stream: Stream) -> None:
        """Put a copy in a stream; `kind` is `HostToDevice` or `DeviceToHost`."""
        way = getattr(self._runtime.cudaMemcpyKind, f"cudaMemcpy{kind}")
        self.call("cudaMemcpyAsync", target, source, nbytes, way, stream.handle)

    def _free(self, name: str, address: int) -> None:
        # At the end of a process the driver may be gone before the last buffer: then nothing is left to free.
        getattr(self._runtime, name)(address)


class DeviceBuffer:
    """Bytes of the GPU at `address`."""

    def __init__(self, cuda: Cuda, nbytes: int):
        self.nbytes = nbytes
        self.address = int(cuda.call("cudaMalloc", max(nbytes, 1)))
        weakref.finalize(self, cuda._free, "cudaFree", self.address).atexit = False


class Stream:
    """What is put in it is done in turn."""

    def __init__(self, cuda: Cuda):
        self._cuda = cuda
        self.handle = int(cuda.call("cudaStreamCreate"))
        weakref.finalize(self, cuda._free, "cudaStreamDestroy", self.handle).atexit = False

    def wait(self) -> None:
        """Until all that was put in it is done; EngineUnavailable tells what failed on the GPU."""
        self._cuda.call("cudaStreamSynchronize", self.handle)


def load_cuda() -> Cuda:
    """CUDA's runtime with a GPU; EngineUnavailable, with what to do, where the bindings or the GPU are missing."""
    try:
        runtime = import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise EngineUnavailable(
            f"cuda-bindings is not installed ({error}): in a checkout of pliant, pip install '.[tensorrt]'"
        ) from None
    cuda = _of(runtime)
    if cuda.process != os.getpid():
        raise EngineUnavailable("CUDA does not survive a fork: start this process by spawn (multiprocessing)")
    status, count = runtime.cudaGetDeviceCount()
    if int(status) != 0 or not count:
        why = cuda._text(status) if int(status) else "none was found"
        # Bindings of CUDA 13 on a driver of CUDA 12, as JetPack 6 has it.
        older = "; where there is one: pip install 'cuda-bindings==12.9.*'" if int(status) == _OLD_DRIVER else ""
        raise EngineUnavailable(f"there is no NVIDIA GPU to run an engine on: {why}{older}")
    return cuda


@cache
def _of(runtime: Any) -> Cuda:
    """One for the process: what is shared on a GPU is shared by it."""
    return Cuda(runtime)

"""CUDA where there is no GPU: copies and runs wait in their stream until somebody waits for it, as on one."""
# ruff: noqa: N802 (CUDA's own names)

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

ALIGNED = 256


class Gpu:
    """The functions of `cuda.bindings.runtime`; `memory` and `pinned` are what is not freed yet, by address."""

    def __init__(self) -> None:
        self.memory: dict[int, Any] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, list[Callable[[], object]]] = {}
        self.allocated: list[int] = []
        self.room = 1 << 40
        self.name = b"RTX A"
        self.uuid = bytes(range(16))
        self._numbers = itertools.count(1000)
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def cudaGetDeviceCount(self) -> tuple[int, int]:
        return 0, 1

    def cudaGetDevice(self) -> tuple[int, int]:
        return 0, 0

    def cudaSetDevice(self, number: int) -> tuple[int]:
        assert number == 0
        return (0,)

    def cudaGetDeviceProperties(self, number: int) -> tuple[int, Any]:
        assert number == 0
        return 0, SimpleNamespace(name=self.name, major=8, minor=6, uuid=SimpleNamespace(bytes=self.uuid))

    def cudaGetErrorString(self, status: int) -> tuple[int, bytes]:
        return 0, {2: b"out of memory"}[status]

    def cudaMalloc(self, nbytes: int) -> tuple[int, int]:
        if nbytes > self.room:
            return 2, 0
        self.allocated.append(nbytes)
        return 0, self._taken(self.memory, nbytes)

    def cudaHostAlloc(self, nbytes: int, flags: int) -> tuple[int, int]:
        assert flags == 0
        return 0, self._taken(self.pinned, nbytes)

    def _taken(self, store: dict[int, Any], nbytes: int) -> int:
        block = (ctypes.c_uint8 * (nbytes + ALIGNED))()
        address = -(-ctypes.addressof(block) // ALIGNED) * ALIGNED
        ctypes.memset(address, 0xA5, nbytes)
        store[address] = (block, nbytes)
        return address

    def cudaFree(self, address: int) -> tuple[int]:
        del self.memory[address]
        return (0,)

    def cudaFreeHost(self, address: int) -> tuple[int]:
        del self.pinned[address]
        return (0,)

    def cudaStreamCreate(self) -> tuple[int, int]:
        number = next(self._numbers)
        self.streams[number] = []
        return 0, number

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:
        assert not self.streams.pop(stream), "a stream was destroyed with work in it"
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        waiting = self.streams[stream]
        while waiting:
            waiting.pop(0)()
        return (0,)

    def cudaMemcpyAsync(self, target: int, source: int, nbytes: int, kind: int, stream: int) -> tuple[int]:
        to, of = (self.memory, self.pinned) if kind == 1 else (self.pinned, self.memory)
        self.check(to, target, nbytes)
        self.check(of, source, nbytes)
        self.streams[stream].append(partial(ctypes.memmove, target, source, nbytes))
        return (0,)

    def check(self, store: dict[int, Any], address: int, nbytes: int) -> None:
        """That so many bytes lie within one block."""
        assert any(start <= address and address + nbytes <= start + size for start, (_, size) in store.items()), (
            "memory that is not there, or too little of it"
        )

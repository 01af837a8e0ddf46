"""Energy counters of NVIDIA cards by NVML, the library that comes with the driver (Volta and later have them)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"


def energy_counters(library: Any = None) -> Iterator[tuple[str, Callable[[], float]]]:
    """(name, millijoules since the driver was loaded) of every card that counts them; none without a driver.

    `library` stands in for the driver's.
    """
    nvml = library or _load()
    count = ctypes.c_uint()
    if nvml is None or nvml.nvmlInit_v2() or nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
        return
    for index in range(count.value):
        device = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(device)):
            continue
        if _energy(nvml, device) is not None:
            yield _name(nvml, device), lambda device=device: _need(nvml, device)  # type: ignore[misc]


@lru_cache(maxsize=1)
def _load() -> Any:
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        return None


def _name(nvml: Any, device: ctypes.c_void_p) -> str:
    text = ctypes.create_string_buffer(96)
    failed = nvml.nvmlDeviceGetName(device, text, ctypes.c_uint(len(text)))
    return "NVIDIA GPU" if failed else text.value.decode(errors="replace")


def _energy(nvml: Any, device: ctypes.c_void_p) -> float | None:
    millijoules = ctypes.c_ulonglong()
    failed = nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(millijoules))
    return None if failed else float(millijoules.value)


def _need(nvml: Any, device: ctypes.c_void_p) -> float:
    energy = _energy(nvml, device)
    if energy is None:
        raise OSError("NVML gives no energy any more")
    return energy

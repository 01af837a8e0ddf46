"""onnxruntime, imported when a subnet is loaded: a session from a graph and arrays, or the reason why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..devices.errors import BudgetError, EngineUnavailable, SuiteError, check_memory
from ..devices.words import one_line
from .tensorrt.settings import ENGINES

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
}
"""onnxruntime's; beside them TensorRT's own engines are providers (`tensorrt.settings.ENGINES`)."""
# The two must never be installed together: they are the same module.
_MEND = {
    "cpu": "pip install onnxruntime",
    "cuda": "pip uninstall onnxruntime, then pip install onnxruntime-gpu",
    "onnxruntime-tensorrt": "pip uninstall onnxruntime, then pip install onnxruntime-gpu and tensorrt",
}
SILENT = 4
# In the names of graphs with signed activations, for TensorRT: their sums do not overflow, and exact ones break them.
_SIGNED = b"/symmetric_scale"
_TENSORRT = PROVIDERS["onnxruntime-tensorrt"]


def create_session(
    graph: bytes,
    arrays: dict[str, np.ndarray[Any, Any]],
    provider: str,
    threads: int | None,
    what: str,
    *,
    quiet: bool = False,
) -> Any:
    """An onnxruntime InferenceSession of `graph` with `arrays` as its external initializers.

    `threads` within an operator (None: physical cores). The threads of a `quiet` session sleep between runs; the
    engine's default is to go on spinning for a while, which slows every other session down. Raises EngineUnavailable
    where the engine or the provider is not installed, SuiteError (naming `what`) where it refuses the graph,
    MemoryError.
    """
    ort = import_onnxruntime(provider)
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = checked_threads(threads)
    if _SIGNED not in graph and _sums_exactly(ort.__version__):
        options.add_session_config_entry("session.x64quantprecision", "1")
    if quiet:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    # Not add_initializer, which at the default optimization level may use the model's own data instead.
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
    options.add_external_initializers(list(arrays), values)
    names = _chain(provider)
    given = [onnxruntime_tensorrt_options(graph, arrays) if name == _TENSORRT else {} for name in names]
    try:
        session = ort.InferenceSession(graph, options, providers=names, provider_options=given)
    except Exception as error:  # onnxruntime's own classes derive from Exception directly
        check_memory(error)
        raise SuiteError(f"onnxruntime {ort.__version__} refuses {what}: {one_line(error)}") from error
    if session.get_providers()[0] != names[0]:
        raise EngineUnavailable(f"onnxruntime cannot use {provider} on this machine: check its driver and libraries")
    return session


def _sums_exactly(version: str) -> bool:
    """Whether this onnxruntime can be asked for exact int8 sums.

    Without VNNI, sums of unsigned by signed bytes overflow 16 bits: wrong answers, and no word of it. Asked otherwise
    by an entry that machines with VNNI ignore; 1.27 and before end the process by it, on weights without a zero point.
    """
    parts = version.split(".")
    return len(parts) > 1 and all(part.isdecimal() for part in parts[:2]) and tuple(map(int, parts[:2])) >= (1, 30)


def _chain(provider: str) -> list[str]:
    """The provider, then those that take what it leaves."""
    last = [] if provider == "cpu" else [PROVIDERS["cpu"]]
    return [PROVIDERS[provider], *([PROVIDERS["cuda"]] if PROVIDERS[provider] == _TENSORRT else []), *last]


def onnxruntime_tensorrt_options(graph: bytes, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, str]:
    """How onnxruntime's TensorRT provider is to keep its engines: under a digest of all that decides them.

    Its own cache goes by the graph's name, which subnets of other widths share (onnxruntime issue 32254).
    """
    import hashlib

    from ..devices.cache import cache_folder, private_folder
    from ..devices.fingerprint import read_fingerprint
    from .tensorrt.here import gpu_identity

    machine = read_fingerprint()
    # Engines are for one version and one GPU; onnxruntime does not look.
    digest = hashlib.sha256(f"{machine.engines} {gpu_identity(machine)}\0".encode() + graph)
    for name in sorted(arrays):
        digest.update(f"\0{name}\0{arrays[name].dtype.str}\0{arrays[name].shape}\0".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    folder = str(private_folder(cache_folder() / "engines-of-onnxruntime"))
    types = {array.dtype for array in arrays.values()}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_engine_cache_prefix": f"pliant-{digest.hexdigest()[:32]}",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        # Types that the graph does not have must not be chosen for it.
        "trt_fp16_enable": str(int(np.dtype(np.float16) in types)),
        "trt_int8_enable": str(int(np.dtype(np.int8) in types)),
    }


def import_onnxruntime(provider: str = "cpu") -> Any:
    """The onnxruntime module, with `provider` available."""
    provider = check_provider(provider)
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineUnavailable(f"onnxruntime is not installed: {_MEND[provider]}") from error
    if PROVIDERS[provider] not in onnxruntime.get_available_providers():
        raise EngineUnavailable(f"this onnxruntime has no {provider} provider: {_MEND[provider]}")
    return onnxruntime


def check_provider(given: object) -> str:
    """The provider's name in small letters; BudgetError where there is none of that name."""
    name = given.strip().lower() if isinstance(given, str) else ""
    known = (*PROVIDERS, *ENGINES)
    if name not in known:
        raise BudgetError(f"there is no provider {given!r}: use {', '.join(known[:-1])} or {known[-1]}")
    return name


def target_of(provider: str) -> str:
    """Which of a subnet's graphs a provider runs."""
    return "tensorrt" if provider in ENGINES or PROVIDERS[provider] == _TENSORRT else "onnxruntime"


def check_threads(given: object) -> int | None:
    """A number of threads; None, and 0 too, for as many as there are physical cores."""
    if given is None or (type(given) is int and given == 0):
        return None
    if type(given) is not int or not 1 <= given <= 1024:
        raise BudgetError(f"threads must be a whole number from 1 to 1024, not {given!r}")
    return given


def checked_threads(threads: int | None) -> int:
    """`threads`, or as many as this process may use physical cores."""
    return check_threads(threads) or physical_cores()


def physical_cores() -> int:
    """Physical cores that this process may use; logical ones where the system does not tell them apart."""
    try:
        logical = os.sched_getaffinity(0)
    except AttributeError:
        return os.cpu_count() or 1
    topology = (Path(f"/sys/devices/system/cpu/cpu{index}/topology/thread_siblings_list") for index in logical)
    try:
        return len({path.read_text() for path in topology}) or 1
    except OSError:
        return len(logical)

"""`model(images, out=...)`: the engine writes into the caller's own arrays, by onnxruntime's IO binding.

A binding is made for each call, so any number of threads may call, and nothing of the caller's outlives the call. For
one small image that is level with copying what a plain call returns; the larger the outputs, the more it gains
(`benchmarks/embedding.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..devices.errors import InputError, PliantError
from ..devices.words import one_line
from .session import Session
from .tensorrt.settings import ENGINES
from .witnessing import Outputs

if TYPE_CHECKING:
    from .format.suite_file import SuiteFile

Array = np.ndarray[Any, Any]


def run_into(session: Session, suite: SuiteFile, images: Array, single: bool, out: Any) -> Outputs:
    """Answer checked images (N, H, W, 3) into `out`, {task: array} as a call returns it; returns `out` itself.

    InputError where an array is not what the engine can write into, before it writes; after any other error the arrays
    may hold a part of an answer.
    """
    _check_names(out, session.tasks)
    batch = () if single else images.shape[:1]
    for name in session.tasks:
        shape, dtype = suite.tasks[name].output(suite.input.height, suite.input.width, raw=session.raw)
        _check_array(name, out[name], (*batch, *shape), dtype)
    _check_apart(images, {name: out[name] for name in session.tasks})
    if session.provider in ENGINES:  # they have pinned memory of their own
        for name, array in session.run(images).items():
            out[name][...] = array[0] if single else array
        return out  # type: ignore[no-any-return]
    try:
        binding = session.engine.io_binding()
        binding.bind_cpu_input("images", images)
        for name, output in zip(session.tasks, session.outputs, strict=True):
            array = out[name]
            shape = (1, *array.shape) if single else array.shape
            binding.bind_output(output, "cpu", 0, array.dtype, shape, array.ctypes.data)
        session.engine.run_with_iobinding(binding)
    except Exception as error:  # onnxruntime's own classes derive from Exception directly
        raise PliantError(f"onnxruntime failed: {one_line(error)}") from error
    return out  # type: ignore[no-any-return]


def _check_names(out: Any, tasks: tuple[str, ...]) -> None:
    if not isinstance(out, Mapping):
        raise InputError(f"out is a {type(out).__name__}: give a dict with an array for each of {', '.join(tasks)}")
    if set(out) != set(tasks):
        given = ", ".join(map(str, out)) or "nothing"
        raise InputError(f"out holds {given[:200]}: give an array for each of {', '.join(tasks)}, and no more")


def _check_array(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    wanted = f"wanted {dtype} {shape}, contiguous and writeable, as numpy.empty({shape}, numpy.{dtype}) gives"
    if not isinstance(array, np.ndarray):
        raise InputError(f"out[{name!r}] is a {type(array).__name__}; {wanted}")
    if array.shape != shape or array.dtype != dtype:
        raise InputError(f"out[{name!r}] is {array.dtype} {array.shape}; {wanted}")
    if not array.flags.carray:
        what = "a view that is not contiguous" if array.flags.writeable else "read-only"
        raise InputError(f"out[{name!r}] is {what}; {wanted}")


def _check_apart(images: Array, arrays: dict[str, Array]) -> None:
    """Of contiguous arrays the bounds say it exactly."""
    known = {"the images": images}
    for name, array in arrays.items():
        for other, taken in known.items():
            if np.may_share_memory(array, taken):
                raise InputError(f"out[{name!r}] shares memory with {other}: give each an array of its own")
        known[f"out[{name!r}]"] = array

"""Calls that leave images and outputs where they are: on the GPU, handed over by DLPack, bound by onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError, EngineUnavailable, InputError, PliantError
from ..devices.words import one_line
from .engine import import_onnxruntime
from .tensorrt.settings import ENGINES

if TYPE_CHECKING:
    from .format.manifest import InputInfo
    from .session import Session

_CUDA, _CPU = 2, 1
_DEVICES = {_CPU: "cpu", _CUDA: "cuda"}
"""DLPack's numbers of devices."""


def run_on_device(session: Session, images: Any, expected: InputInfo) -> dict[str, Any]:
    """Contiguous uint8 (N, H, W, 3), anything with `__dlpack__` -> {task: onnxruntime's OrtValue}, on the same device.

    Outputs have `__dlpack__` themselves: `torch.from_dlpack(outputs["depth"])` copies nothing. On the CPU it works too.
    Raises InputError for other images, BudgetError for an engine that cannot, EngineUnavailable for an onnxruntime
    without DLPack.
    """
    if session.provider in ENGINES:
        raise BudgetError(f"{session.provider} takes images from the host only: call the model, or load with cuda")
    value, device = _value(session, images)
    shape = tuple(value.shape())
    fewest, most = expected.batch
    fits = len(shape) == 4 and shape[1:] == expected.shape and fewest <= shape[0] <= most
    if not fits or value.data_type() != "tensor(uint8)":
        wanted = f"uint8 (N, {expected.height}, {expected.width}, 3), N from {fewest} to {most}"
        raise InputError(f"images on a device are {value.data_type()} {shape}; expected {wanted}")
    names = session.outputs
    binding = session.engine.io_binding()
    binding.bind_ortvalue_input("images", value)
    for name in names:
        binding.bind_output(name, *device)
    try:
        # What fills the tensor may still be at work, in a stream of its own.
        binding.synchronize_inputs()
        session.engine.run_with_iobinding(binding)
    except Exception as error:  # onnxruntime's own classes derive from Exception directly
        raise PliantError(f"onnxruntime failed: {one_line(error)}") from error
    return dict(zip(session.tasks, binding.get_outputs(), strict=True))


def _value(session: Session, images: Any) -> tuple[Any, tuple[str, int]]:
    ort = import_onnxruntime(session.provider)
    if not hasattr(ort.OrtValue, "from_dlpack"):
        raise EngineUnavailable(f"onnxruntime {ort.__version__} takes no DLPack: pip install --upgrade onnxruntime-gpu")
    if not hasattr(images, "__dlpack__"):
        raise InputError(f"images are a {type(images).__name__} without __dlpack__: call the model with a NumPy array")
    kind, number = images.__dlpack_device__()
    device = _DEVICES.get(int(kind))
    if device is None or (device == "cuda" and session.provider == "cpu"):
        raise InputError(f"images are on DLPack's device {int(kind)}, where {session.provider} does not run")
    try:
        return ort.OrtValue.from_dlpack(images), (device, int(number))
    except Exception as error:  # onnxruntime's and the tensor's own classes
        raise InputError(f"images cannot be handed over: {one_line(error)}") from error

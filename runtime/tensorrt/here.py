"""TensorRT on the GPU that this process uses: its bindings, CUDA, and what of the GPU decides an engine."""

from __future__ import annotations

from dataclasses import dataclass

from ...devices.fingerprint import Fingerprint, read_fingerprint
from .bindings import Bindings, check_buildable, load_bindings
from .cuda import Cuda, load_cuda
from .settings import BuildSettings


@dataclass(frozen=True)
class Here:
    """The vendor's bindings, and the GPU to try engines on; None where they are for a GPU of another machine."""

    bindings: Bindings
    cuda: Cuda | None


def here_for(settings: BuildSettings) -> Here:
    """What builds, and runs, engines of these settings.

    Raises EngineUnavailable (no bindings, no GPU, no CUDA to prove and run engines with), BudgetError (a GPU that this
    version does not know).
    """
    machine = read_fingerprint()
    if settings.capability is not None:
        bindings = load_bindings(settings.engine, gpu_identity(machine))
        check_buildable(bindings, settings, machine.gpus)
        return Here(bindings, None)
    check_buildable(load_bindings(settings.engine), settings, machine.gpus)
    cuda = load_cuda()
    return Here(load_bindings(settings.engine, f"{gpu_identity(machine)}; {cuda.identity()}"), cuda)


def gpu_identity(machine: Fingerprint) -> str:
    """What of the GPUs here decides an engine: models and driver, no limit of clocks or power; a board, its release."""
    told = dict(machine.settings)
    if told.get("l4t"):
        return f"{machine.board}, L4T {told['l4t']}"
    return "; ".join(", ".join(gpu.split(", ")[:2]) for gpu in machine.gpus)

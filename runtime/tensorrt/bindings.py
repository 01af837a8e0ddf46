"""TensorRT and TensorRT for RTX behind one name: nearly one API, imported when an engine is to be built."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ...devices.errors import BudgetError, EngineUnavailable
from ...devices.words import one_line
from .settings import TITLES, BuildSettings

_MODULES = {
    # The wheel's libraries are a module of their own, which puts them where the bindings find them.
    "tensorrt-rtx": ("tensorrt_rtx_libs", "tensorrt_rtx_bindings"),
    "tensorrt": ("tensorrt",),
}
_INSTALL = {
    "tensorrt-rtx": "in a checkout of pliant, pip install '.[tensorrt-rtx]'; for a Jetson or a data centre TensorRT: "
    "--engine tensorrt",
    "tensorrt": "in a checkout of pliant, pip install tensorrt '.[tensorrt]', or on a Jetson as `pliant doctor` says",
}
_OLDEST = (10, 3)


@dataclass(frozen=True)
class Bindings:
    """The vendor's module and its version; `driver` is the NVIDIA driver's where one is, else empty."""

    engine: str
    module: Any
    version: str
    driver: str = ""


def load_bindings(engine: str, driver: str = "") -> Bindings:
    """Import them; EngineUnavailable, with the command that installs them, where that cannot be."""
    title = TITLES[engine]
    try:
        module = [import_module(name) for name in _MODULES[engine]][-1]
    except ImportError as error:
        raise EngineUnavailable(f"{title} is not installed ({error}): {_INSTALL[engine]}") from None
    version = str(module.__version__)
    if engine == "tensorrt" and _numbers(version) < _OLDEST:
        raise EngineUnavailable(f"TensorRT {version} is too old: 10.3 or newer is needed, as JetPack 6 has it")
    return Bindings(engine, module, version, driver)


def installed() -> str:
    """The engine that can be imported, TensorRT before TensorRT for RTX; the latter where neither can."""
    return "tensorrt" if find_spec("tensorrt") is not None else "tensorrt-rtx"


def capabilities(bindings: Bindings) -> tuple[str, ...]:
    """The compute capabilities that engines can be built for without that GPU; none where the engine cannot."""
    known = getattr(bindings.module, "ComputeCapability", None)
    names = [] if known is None else [name[2:] for name in known.__members__ if name.startswith("SM")]
    return tuple(f"{name[:-1]}.{name[-1]}" for name in names)


def check_buildable(bindings: Bindings, settings: BuildSettings, gpus: tuple[str, ...]) -> None:
    """BudgetError for a GPU that this version does not know, EngineUnavailable where there is no GPU to build for."""
    known = capabilities(bindings)
    if settings.capability is None:
        if not gpus:
            # Whoever runs or verifies meets this too, and only that verb has the option.
            say = f"; for that of another machine: pliant build --compute-capability {known[-1]}" if known else ""
            raise EngineUnavailable(f"there is no NVIDIA GPU here to build {TITLES[settings.engine]} engines for{say}")
    elif settings.capability not in known:
        raise BudgetError(
            f"{TITLES[settings.engine]} {bindings.version} builds for no GPU of compute capability "
            f"{settings.capability}: only {', '.join(known)}"
        )


@cache
def vendor_logger(trt: Any) -> Any:
    """The one of the process, told things in `said`: the vendor's library keeps the first that it is given."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: deque[str] = deque(maxlen=1000)

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.WARNING:
                self.said.append(" ".join(message.split()))

    return Logger()


def last_said(said: Sequence[str]) -> str:
    """The last warning or error, for a message."""
    return one_line(said[-1]) if said else "no reason is given"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())

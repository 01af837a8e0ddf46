"""pliant: one multi-task vision network that bends to any compute budget, shipped as one file.

    import pliant

    suite = pliant.open_suite("scenes.pliant")
    with suite.load(latency="15 ms", prefer={"depth": 2.0}) as model:
        outputs = model(image)          # uint8 RGB in, {task: array} out
        model.switch(latency="6 ms")

Importing it loads nothing but itself: numpy comes with the first name of the runtime, an engine with the first load.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .devices.errors import (
    BudgetError,
    CheckpointError,
    ConfigError,
    DataError,
    EngineUnavailable,
    ExportError,
    InputError,
    NoSubnetFits,
    PliantError,
    QuantizeError,
    RecipeError,
    SuiteError,
    TrainingError,
)

# From 1.32 on onnxruntime notes in the user's cache what it is used for, and has an address to send it to. Whoever
# wants that sets this to 0 (docs/security.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from .runtime.color import to_rgb
    from .runtime.format.manifest import SubnetInfo
    from .runtime.format.tasks import Task
    from .runtime.model import Model, SwitchReport
    from .runtime.opening import open_suite
    from .runtime.planning.plan import Plan
    from .runtime.suite import Suite
    from .runtime.verify import VerifyResult, verify_suite

__version__ = "0.1.0"

_LAZY = {
    "Model": "model",
    "Plan": "planning.plan",
    "SubnetInfo": "format.manifest",
    "Suite": "suite",
    "SwitchReport": "model",
    "Task": "format.tasks",
    "VerifyResult": "verify",
    "open_suite": "opening",
    "to_rgb": "color",
    "verify_suite": "verify",
}

__all__ = [
    "BudgetError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EngineUnavailable",
    "ExportError",
    "InputError",
    "Model",
    "NoSubnetFits",
    "Plan",
    "PliantError",
    "QuantizeError",
    "RecipeError",
    "SubnetInfo",
    "Suite",
    "SuiteError",
    "SwitchReport",
    "Task",
    "TrainingError",
    "VerifyResult",
    "open_suite",
    "to_rgb",
    "verify_suite",
]


def __getattr__(name: str) -> Any:
    """Import a name of the runtime when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'pliant' has no attribute {name!r}")
    value = getattr(import_module(f".runtime.{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})

"""pliant: one multi-task vision network that bends to any compute budget, shipped as one file.

    import pliant

    suite = pliant.open_suite("scenes.pliant")
    with suite.load(latency="15 ms", prefer={"depth": 2.0}) as model:
        outputs = model(image)          # uint8 RGB in, {task: array} out
        model.switch(latency="6 ms")

This module loads numpy and safetensors only; an engine is imported when a subnet is loaded.
"""

from __future__ import annotations

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

__version__ = "0.1.0"

__all__ = [
    "BudgetError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EngineUnavailable",
    "ExportError",
    "InputError",
    "NoSubnetFits",
    "PliantError",
    "QuantizeError",
    "RecipeError",
    "SuiteError",
    "TrainingError",
]

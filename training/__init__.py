"""Training: recipes, data, configuration-invariant distillation, the loop, batch-norm recalibration.

    from pliant.training import load_recipe, train

    result = train(load_recipe("scenes-demo"), "out/demo")

Names are imported when they are first used: rendering scenes (`data/`) needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoints.checkpoint import Checkpoint, load_checkpoint
    from .evaluation.evaluator import Evaluator
    from .evaluation.protocol import load_batches
    from .loop import TrainResult, train
    from .prepare import open_split
    from .progress import Progress, Silent, StepReport
    from .recipe.file import built_in_recipes, load_recipe
    from .recipe.recipe import Recipe

__all__ = [
    "Checkpoint",
    "Evaluator",
    "Progress",
    "Recipe",
    "Silent",
    "StepReport",
    "TrainResult",
    "built_in_recipes",
    "load_batches",
    "load_checkpoint",
    "load_recipe",
    "open_split",
    "train",
]

_MODULES = {
    "checkpoints.checkpoint": ("Checkpoint", "load_checkpoint"),
    "evaluation.protocol": ("load_batches",),
    "evaluation.evaluator": ("Evaluator",),
    "loop": ("TrainResult", "train"),
    "prepare": ("open_split",),
    "progress": ("Progress", "Silent", "StepReport"),
    "recipe.file": ("built_in_recipes", "load_recipe"),
    "recipe.recipe": ("Recipe",),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)

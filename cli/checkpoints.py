"""The checkpoint that a verb is given, and a line where its training is not over: nothing else in it would tell."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from .progress import note

if TYPE_CHECKING:
    from ..training.checkpoints.checkpoint import Checkpoint


def opened(path: Path) -> Checkpoint:
    """The newest whole checkpoint of a training, or of a step folder; a note where it is of a half-finished one."""
    from ..training.checkpoints.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    said = _unfinished(checkpoint)
    if said:
        note(said)
    return checkpoint


def _unfinished(checkpoint: Checkpoint) -> str:
    """Empty where the training is over, or cannot be told to be: of before images were written down."""
    from ..training.data.batches import steps_per_epoch

    if checkpoint.images is None:
        return ""
    settings = checkpoint.recipe.training
    steps = settings.epochs * steps_per_epoch(checkpoint.images, settings.batch_size)
    if checkpoint.step >= steps:
        return ""
    out = shlex.quote(str(checkpoint.folder.parent.parent))
    return (
        f"this training stopped at step {checkpoint.step} of {steps}; "
        f"go on with: pliant train --resume RECIPE --out {out} (the same recipe)"
    )

"""Where narrow subnets join a training that has had the widest alone: channels are sorted then.

Pretrained channels are sorted before a training begins (prepare.py); but those of decoders are random then, and the
encoder's change. After the curriculum the widest says what each is worth: a prefix of the sorted channels is the best
part that there is, so narrow subnets begin better and ask less of the weights that they share (EA-ViT sorts so before
it nests). The widest stays the same function, up to the order in which floats are summed.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..models.sorting import ChannelOrder, importance_order, permute_channels
from .evaluation.recalibrate import recalibration_batches
from .layout import laid_out
from .optimization.sampling import steps_alone
from .run import Run


def sort_joined(run: Run, step: int) -> None:
    """Sort the supernet's channels, and its optimizer's state and average with them, where others join at `step`.

    What a learned projection has of them (distillation/projection.py) stays: nothing was taught yet, so it still is as
    it was drawn, which no order changes but by luck.
    """
    settings = run.recipe.training
    if settings.sort == "none" or not step or step != steps_alone(settings, run.steps):
        return
    order = run.ranks.same(lambda: _order(run))
    permute_channels(run.supernet, order, run.optimizer)
    if run.average is not None:
        permute_channels(run.average.supernet, order)
    run.progress.message(f"step {step}: channels sorted by {settings.sort}, as narrower subnets join")


def _order(run: Run) -> ChannelOrder:
    return importance_order(run.supernet, run.recipe.training.sort, _images(run))


def _images(run: Run) -> Iterator[Tensor]:
    """Decoded only where the measure asks for them."""
    for batch in recalibration_batches(run.data.train, run.recipe.training):
        yield laid_out(run.supernet, batch.images)

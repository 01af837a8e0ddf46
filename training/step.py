"""One optimizer step: gradients of the widest, the narrowest and sampled subnets, summed before the weights move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..devices.errors import TrainingError
from ..models.losses import loss as task_loss
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from .distill import ci_kd
from .faults import gradient_fault
from .recipe import TrainingRecipe
from .sampling import label


@dataclass(frozen=True)
class Inputs:
    """A batch where the supernet is: images (N, 3, H, W) normalised, targets by task."""

    images: Tensor
    targets: dict[str, Tensor]


@dataclass(frozen=True)
class StepLosses:
    """What a step measured: losses by task of the widest subnet, total and CI-KD averaged over its subnets."""

    tasks: dict[str, float]
    total: float
    distillation: float
    gradient_norm: float


def train_step(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer,
    inputs: Inputs,
    subnets: Sequence[SubnetConfig],
    recipe: TrainingRecipe,
    step: int,
) -> StepLosses:
    """Train `subnets` (the first is the widest and teaches the others) on one batch, and move the weights once.

    Each subnet's graph is freed before the next one's is built. Raises TrainingError naming step, task and subnet when
    a loss is not finite; the weights have not moved then.
    """
    supernet.train()
    optimizer.zero_grad(set_to_none=True)
    teacher: list[Tensor] = []
    measured = []
    for config in subnets:
        features, losses = _losses(supernet, inputs, config, teacher, recipe)
        total = _weighted(losses, recipe)
        (total / len(subnets)).backward()
        teacher = teacher or [feature.detach() for feature in features]
        measured.append({name: value.detach() for name, value in {**losses, "total": total}.items()})
    values = _fetched(measured)
    _check(values, supernet, subnets, step)
    limit = math.inf if recipe.clip is None else recipe.clip
    norm = float(torch.nn.utils.clip_grad_norm_(supernet.parameters(), limit))
    if not math.isfinite(norm):

        def losses_of(config: SubnetConfig) -> dict[str, Tensor]:
            return _losses(supernet, inputs, config, [] if config is subnets[0] else teacher, recipe)[1]

        fault = gradient_fault(supernet, subnets, losses_of)
        raise TrainingError(f"step {step}: the gradient is not finite: that {fault}; {ADVICE}")
    optimizer.step()
    return _summary(values, norm)


ADVICE = "the last checkpoint is kept; lower training.lr or training.clip and start again in another folder"


def _losses(
    supernet: Supernet, inputs: Inputs, config: SubnetConfig, teacher: list[Tensor], recipe: TrainingRecipe
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The subnet's features, and its losses by task, CI-KD under `distillation` where there is a teacher."""
    size = (inputs.images.shape[2], inputs.images.shape[3])
    with torch.autocast(inputs.images.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        features = supernet.features(inputs.images, config)
        outputs = supernet.decode_features(features, size, config)
    losses = {task.name: task_loss(task, outputs[task.name], inputs.targets[task.name]) for task in supernet.tasks}
    distillation = recipe.distillation
    if teacher and distillation.weight > 0:
        losses["distillation"] = ci_kd(features, teacher, distillation.kind, distillation.stages)
    return features, losses


def _weighted(losses: dict[str, Tensor], recipe: TrainingRecipe) -> Tensor:
    weights = {**recipe.losses, "distillation": recipe.distillation.weight}
    return torch.stack([weights.get(name, 1.0) * value for name, value in losses.items()]).sum()


def _fetched(measured: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """All numbers of a step in one transfer from the device."""
    flat = torch.stack([value for each in measured for value in each.values()]).tolist()
    numbers = iter(flat)
    return [{name: next(numbers) for name in each} for each in measured]


def _check(values: list[dict[str, float]], supernet: Supernet, subnets: Sequence[SubnetConfig], step: int) -> None:
    for config, losses in zip(subnets, values, strict=True):
        for name, value in losses.items():
            if not math.isfinite(value):
                subnet = label(supernet.space, config)
                what = "the weighted sum of the losses" if name == "total" else f"the loss of {name!r}"
                raise TrainingError(f"step {step}: {what} is {value} in the subnet {subnet}; {ADVICE}")


def _summary(values: list[dict[str, float]], norm: float) -> StepLosses:
    widest = {name: value for name, value in values[0].items() if name not in ("total", "distillation")}
    taught = [each["distillation"] for each in values if "distillation" in each]
    total = sum(each["total"] for each in values) / len(values)
    return StepLosses(widest, total, sum(taught) / len(taught) if taught else 0.0, norm)

"""One step: the widest, the narrowest and sampled subnets on one batch, and the weights moved for all or for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from ...devices.errors import TrainingError
from ...models.reduction import HERE, Reduction
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from ..distillation.teacher import Teacher
from ..layout import Inputs
from ..recipe.training import TrainingRecipe
from .auxiliary import Auxiliary
from .faults import gradient_fault
from .objective import DISTILLATION, SOFT_LABELS, TOTAL, Losses, Objective
from .sampling import label
from .sharpness import ascended
from .subnet_balance import SubnetBalance

__all__ = ["ADVICE", "StepLosses", "train_step"]

ADVICE = "checkpoints of before are kept; lower training.lr or training.clip and start again in another folder"


@dataclass(frozen=True)
class StepLosses:
    """What a step measured: losses by task of its first subnet; total, and what is taught, averaged over its subnets.

    `distillation` (CI-KD) and `soft_labels` are means over the subnets that were taught, 0 where none was.
    """

    tasks: dict[str, float]
    total: float
    distillation: float
    soft_labels: float
    gradient_norm: float


def train_step(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer,
    inputs: Inputs,
    subnets: Sequence[SubnetConfig],
    recipe: TrainingRecipe,
    step: int,
    *,
    done: float = 1.0,
    auxiliary: Auxiliary | None = None,
    batch: Reduction = HERE,
) -> StepLosses:
    """Train `subnets` on one batch; those that come first teach the others (distillation/teacher.py).

    The weights move once, by the gradient of the subnets' weighted mean loss, or, where the recipe's `updates` are
    apart, after each subnet by its own gradient. Even then none is trained as a network by itself would be: all share
    the optimizer's state, and its momentum and weight decay also move the weights that lie outside a subnet.

    `done` is the share of all steps before this one, which says how much is taught. `auxiliary` is the recipe's, the
    same at each step; it may be left out where the recipe needs none. Each subnet's graph is freed before the next
    one's is built. Where `inputs` are a share of a batch, `batch` says where the rest is: losses, gradients and so
    weights are those of all of it, the same in every process. Raises TrainingError naming step, task and subnet when a
    loss is not finite; the weights have not moved by it then.
    """
    if auxiliary is None:
        auxiliary = Auxiliary(supernet, recipe)
        if auxiliary.state_dict():
            raise TrainingError(
                "this recipe learns beside the supernet: make its Auxiliary once, and give it each step"
            )
    objective = Objective(supernet, recipe, done, auxiliary, batch=batch)
    supernet.train()
    values: list[dict[str, float]] = []
    norms, teachers = list[float](), list[Teacher]()
    for group in [subnets] if recipe.updates == "together" else [[config] for config in subnets]:
        found, norm = _update(objective, optimizer, inputs, group, teachers, step)
        values += found
        norms.append(norm)
    return _summary(values, max(norms))


def _update(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    inputs: Inputs,
    subnets: Sequence[SubnetConfig],
    teachers: list[Teacher],
    step: int,
) -> tuple[list[dict[str, float]], float]:
    """Move the weights once, by some subnets; their losses, and the gradient's norm. Adds to the `teachers`."""
    supernet, recipe, before = objective.supernet, objective.recipe, list(teachers)
    optimizer.zero_grad(set_to_none=True)
    values = _fetched(_gradients(objective, inputs, subnets, teachers))
    _check(values, supernet, subnets, step)
    again = replace(objective, observing=False)
    if recipe.sharpness > 0:
        norm = float(nn.utils.get_total_norm([each.grad for each in supernet.parameters() if each.grad is not None]))
        _check_gradient(norm, again, inputs, subnets, before, step)
        with ascended(supernet, recipe.sharpness):
            optimizer.zero_grad(set_to_none=True)
            nearby = _fetched(_gradients(again, inputs, subnets, list(before)))
        _check(nearby, supernet, subnets, step)
    limit = math.inf if recipe.clip is None else recipe.clip
    norm = float(torch.nn.utils.clip_grad_norm_(supernet.parameters(), limit))
    beside = list(objective.auxiliary.parameters())
    if beside:  # clipped by itself: what is not shipped should not slow down what is
        torch.nn.utils.clip_grad_norm_(beside, limit)
    _check_gradient(norm, again, inputs, subnets, before, step)
    optimizer.step()
    return values, norm


def _gradients(
    objective: Objective, inputs: Inputs, subnets: Sequence[SubnetConfig], teachers: list[Teacher]
) -> list[Losses]:
    """Add the gradient of the subnets' weighted mean loss to the parameters; the losses of each, without a graph."""
    measured = []
    weights = [objective.recipe.widest_weight if config.is_widest else 1.0 for config in subnets]
    balance = _balance(objective)
    for losses, weight in zip(_one_by_one(objective, inputs, subnets, teachers), weights, strict=True):
        if balance is None:
            (losses[TOTAL] * weight / sum(weights)).backward()
        else:
            balance.begin()
            losses[TOTAL].backward()
            if objective.batch.shared:  # a norm is that of the whole batch's gradient
                _add_up([objective.supernet], objective.batch)
            balance.add(weight / sum(weights))
        measured.append({name: value.detach() for name, value in losses.items()})
    if objective.batch.shared:
        # Not those of the balance of tasks, which is told losses of the whole batch: they are whole already.
        whole = [objective.supernet] if balance is None else []
        _add_up([*whole, objective.auxiliary.projections], objective.batch)
    return measured


def _balance(objective: Objective) -> SubnetBalance | None:
    if objective.recipe.subnet_balance == "fixed":
        return None
    return SubnetBalance(objective.supernet.parameters())


def _add_up(modules: Sequence[nn.Module], batch: Reduction) -> None:
    """Make the gradients of a share those of the whole batch; a subnet leaves out the same ones everywhere."""
    own = [each.grad for module in modules for each in module.parameters() if each.grad is not None]
    for gradient, whole in zip(own, batch.summed(own), strict=True):
        gradient.copy_(whole)


def _one_by_one(
    objective: Objective, inputs: Inputs, subnets: Sequence[SubnetConfig], teachers: list[Teacher]
) -> Iterator[Losses]:
    """The losses of each subnet, with their graph, taught by those before it, which `teachers` grow by."""
    for config in subnets:
        losses, said = objective(inputs, config, teachers)
        if not teachers or objective.recipe.teacher == "next":
            teachers.append(said)
        yield losses


def _check_gradient(
    norm: float,
    objective: Objective,
    inputs: Inputs,
    subnets: Sequence[SubnetConfig],
    teachers: list[Teacher],
    step: int,
) -> None:
    """TrainingError where the gradient's norm is not finite: the step is run again, loss by loss, to name the one."""
    if math.isfinite(norm):
        return
    each = zip(subnets, _one_by_one(objective, inputs, subnets, list(teachers)), strict=True)
    apart = ((config, {name: value for name, value in found.items() if name != TOTAL}) for config, found in each)
    fault = gradient_fault(objective.supernet, apart, objective.batch)
    raise TrainingError(f"step {step}: the gradient is not finite: that {fault}; {ADVICE}")


def _fetched(measured: list[Losses]) -> list[dict[str, float]]:
    """All numbers of a step in one transfer from the device."""
    flat = torch.stack([value for each in measured for value in each.values()]).tolist()
    numbers = iter(flat)
    return [{name: next(numbers) for name in each} for each in measured]


def _check(values: list[dict[str, float]], supernet: Supernet, subnets: Sequence[SubnetConfig], step: int) -> None:
    for config, losses in zip(subnets, values, strict=True):
        for name, value in losses.items():
            if not math.isfinite(value):
                subnet = label(supernet.space, config)
                what = "the weighted sum of the losses" if name == TOTAL else f"the loss of {name!r}"
                raise TrainingError(f"step {step}: {what} is {value} in the subnet {subnet}; {ADVICE}")


def _summary(values: list[dict[str, float]], norm: float) -> StepLosses:
    first = {name: value for name, value in values[0].items() if name not in (DISTILLATION, SOFT_LABELS, TOTAL)}
    total, distillation, soft_labels = (_mean(values, name) for name in (TOTAL, DISTILLATION, SOFT_LABELS))
    return StepLosses(first, total, distillation, soft_labels, norm)


def _mean(values: list[dict[str, float]], name: str) -> float:
    found = [each[name] for each in values if name in each]
    return sum(found) / len(found) if found else 0.0

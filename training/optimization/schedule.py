"""The optimizer and its learning rate, a pure function of the step."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...devices.errors import CheckpointError, RecipeError
from ..recipe.training import TrainingRecipe


def learning_rate(step: int, steps: int, recipe: TrainingRecipe) -> float:
    """Learning rate of a step (0 is the first) out of `steps`: linear warm-up, then the recipe's schedule to zero."""
    warmup = round(recipe.warmup * steps)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done))
    return recipe.lr * (1.0 - done) if recipe.schedule == "linear" else recipe.lr


def make_optimizer(
    network: nn.Module, recipe: TrainingRecipe, auxiliary: nn.Module | None = None
) -> torch.optim.Optimizer:
    """AdamW or SGD; weight decay spares norms and biases, and parts of the network have their own multiple of the rate.

    Each group keeps that multiple as `scale`, for `set_learning_rate`. What is `auxiliary` is trained beside, as the
    part of that name. Raises RecipeError where `rates` names a part that the network has not.
    """
    named = _named_parameters(network, auxiliary)
    _check_rates(list(named), recipe)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        groups.setdefault((_scale(name, recipe), parameter.ndim > 1), []).append(parameter)
    parameters = [
        {"params": members, "weight_decay": recipe.weight_decay if decays else 0.0, "scale": scale}
        for (scale, decays), members in sorted(groups.items(), key=lambda group: group[0])
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return torch.optim.AdamW(parameters, lr=recipe.lr)


def _named_parameters(network: nn.Module, auxiliary: nn.Module | None) -> dict[str, nn.Parameter]:
    """All that is trained, by name; what is auxiliary under `auxiliary.`."""
    beside = {} if auxiliary is None else dict(auxiliary.named_parameters(prefix="auxiliary"))
    return {**dict(network.named_parameters()), **beside}


def _scale(name: str, recipe: TrainingRecipe) -> float:
    """A parameter's multiple of the rate: that of the longest path it lies in."""
    rates = {"encoder": recipe.encoder_lr, **recipe.rates}
    paths = [path for path in rates if f"{name}.".startswith(f"{path}.")]
    return rates[max(paths, key=len)] if paths else 1.0


def _check_rates(names: Sequence[str], recipe: TrainingRecipe) -> None:
    for path in recipe.rates:
        if not any(f"{name}.".startswith(f"{path}.") for name in names):
            parts = {name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)}
            near = difflib.get_close_matches(path, sorted(parts), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "give a module's path, such as encoder"
            raise RecipeError(f"training.rates names {path!r}, which the network has not; {hint}")


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its multiple of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, network: nn.Module, auxiliary: nn.Module | None = None
) -> dict[str, Tensor]:
    """The optimizer's state as tensors, by `<parameter>/<state>`; rates are not in it, they follow from the step."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in _named_parameters(network, auxiliary).items()}
    return {
        f"{names[parameter]}/{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    network: nn.Module,
    tensors: dict[str, Tensor],
    auxiliary: nn.Module | None = None,
) -> None:
    """Give an optimizer the state that `optimizer_tensors` took; CheckpointError where it fits another network."""
    parameters = _named_parameters(network, auxiliary)
    optimizer.state.clear()
    for name, tensor in tensors.items():
        path, _, key = name.rpartition("/")
        parameter = parameters.get(path)
        if parameter is None or (tensor.ndim and tensor.shape != parameter.shape):
            raise CheckpointError(f"the optimizer's state {name!r} fits no parameter of this network")
        if tensor.ndim:
            value = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
            tensor = value.copy_(tensor)
        optimizer.state[parameter][key] = tensor

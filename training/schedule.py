"""The optimizer and its learning rate, a pure function of the step."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..devices.errors import CheckpointError
from .recipe import TrainingRecipe


def learning_rate(step: int, steps: int, recipe: TrainingRecipe) -> float:
    """Learning rate of a step (0 is the first) out of `steps`: linear warm-up, then the recipe's schedule to zero."""
    warmup = round(recipe.warmup * steps)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done))
    return recipe.lr * (1.0 - done) if recipe.schedule == "linear" else recipe.lr


def make_optimizer(network: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """AdamW or SGD; weight decay spares norms and biases, and the encoder has its own multiple of the rate.

    Each group keeps that multiple as `scale`, for `set_learning_rate`.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((name.startswith("encoder."), parameter.ndim > 1), []).append(parameter)
    parameters = [
        {
            "params": members,
            "weight_decay": recipe.weight_decay if decays else 0.0,
            "scale": recipe.encoder_lr if encoder else 1.0,
        }
        for (encoder, decays), members in sorted(groups.items(), key=lambda group: group[0])
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return torch.optim.AdamW(parameters, lr=recipe.lr)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its multiple of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """The optimizer's state as tensors, by `<parameter>/<state>`; rates are not in it, they follow from the step."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in network.named_parameters()}
    return {
        f"{names[parameter]}/{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give an optimizer the state that `optimizer_tensors` took; CheckpointError where it fits another network."""
    parameters = dict(network.named_parameters())
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

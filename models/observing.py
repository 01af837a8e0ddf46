"""What layers read while a network runs: the moments of each channel, over all calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .setting import Moments


@contextmanager
def observed(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Moments]]:
    """By name, the pooled moments of each layer's input, (N, C, ...) -> (C,), of all calls while this lasts."""
    moments: dict[str, Moments] = {}
    handles = [layer.register_forward_pre_hook(_recorder(name, moments)) for name, layer in layers.items()]
    try:
        yield moments
    finally:
        for handle in handles:
            handle.remove()


def _recorder(name: str, moments: dict[str, Moments]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def record(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].detach().float()
        places = (0, *range(2, values.ndim))
        variance, mean = torch.var_mean(values, dim=places, correction=0)
        count = math.prod(values.shape[place] for place in places)
        seen = Moments(count, mean.double(), variance.double())
        moments[name] = moments[name].merge(seen) if name in moments else seen

    return record

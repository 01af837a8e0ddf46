"""Sharpness-aware steps (SAM, ICLR 2021, arXiv 2010.01412): the gradient of the worst place nearby.

A step's gradient g is taken twice: first here, then at w + rho g / |g|. The weights then move from w, by the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def ascended(network: nn.Module, rho: float) -> Iterator[None]:
    """With weights moved by `rho` along their gradients; afterwards as before to the last bit, buffers included.

    Gradients are left as they are: clear them inside. Buffers are put back since batch norm's running statistics
    should see a batch once, and at weights that are kept.
    """
    gradients = [(parameter, parameter.grad) for parameter in network.parameters() if parameter.grad is not None]
    changing = [*(parameter for parameter, _ in gradients), *network.buffers()]
    with torch.no_grad():
        kept = [tensor.clone() for tensor in changing]
        scale = rho / (torch.nn.utils.get_total_norm([gradient for _, gradient in gradients]) + 1e-12)
        for parameter, gradient in gradients:
            parameter.add_(gradient * scale)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(changing, kept, strict=True):
                tensor.copy_(value)

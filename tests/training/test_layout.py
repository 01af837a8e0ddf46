"""Channels-last training: what torch 2.13 gets wrong on some CPUs must not reach a supernet."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from pliant.models.network import normalize
from pliant.training.layout import laid_out

from .tiny import random_batch, tiny_supernet


class _Convolutions(TorchFunctionMode):
    """Kernel size and stride of every convolution that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.conv2d:
            stride = args[3] if len(args) > 3 else (kwargs or {}).get("stride", (1, 1))
            self.called.append((tuple(args[1].shape[2:]), tuple(stride)))
        return func(*args, **(kwargs or {}))


def test_no_strided_pointwise_convolution_is_called() -> None:
    # Its backward corrupts memory on channels-last features of fewer than 16 channels, on AVX-512 machines of Intel.
    supernet, (images, _) = tiny_supernet(), random_batch()
    seen = _Convolutions()
    with seen:
        supernet(laid_out(supernet, images), supernet.space.narrowest)
    assert ((3, 3), (2, 2)) in seen.called, "the network has strided convolutions"
    assert ((1, 1), (1, 1)) in seen.called
    assert ((1, 1), (2, 2)) not in seen.called


def test_layout_changes_nothing_but_memory() -> None:
    supernet, (images, _) = tiny_supernet(), random_batch()
    laid = laid_out(supernet, images)
    assert laid.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(laid, normalize(images, supernet.architecture))

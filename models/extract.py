"""From a configuration to a network of its own."""

from __future__ import annotations

import copy

from torch import nn

from .layers import SlimConv2d, SlimLinear
from .network import Network
from .norm import SlimBatchNorm2d
from .setting import Statistics
from .space import SubnetConfig
from .supernet import Supernet


def extract_subnet(supernet: Supernet, config: SubnetConfig, statistics: Statistics | None = None) -> Network:
    """A plain network of `torch.nn` layers that does what `supernet(x, config, statistics)` does, in evaluation mode.

    Module paths are the supernet's. The copy is independent: it can be trained, saved or exported on its own.
    """
    encoder = copy.deepcopy(supernet.encoder, _memo(supernet.encoder))
    decoders = copy.deepcopy(supernet.decoders, _memo(supernet.decoders))
    for part in (encoder, decoders):
        _make_plain(part, config, statistics)
    return Network(supernet.architecture, supernet.tasks, encoder, decoders).eval()


def _memo(module: nn.Module) -> dict[int, object]:
    """Let deepcopy share parameters and buffers: the slim layers are replaced at once, so copying them is waste."""
    tensors = [*module.parameters(), *module.buffers()]
    return {id(tensor): tensor for tensor in tensors}


def _make_plain(module: nn.Module, config: SubnetConfig, statistics: Statistics | None) -> None:
    for name, child in module.named_children():
        if isinstance(child, SlimBatchNorm2d):
            setattr(module, name, child.extract(config, statistics))
        elif isinstance(child, SlimConv2d | SlimLinear):
            setattr(module, name, child.extract(config))
        else:
            _make_plain(child, config, statistics)

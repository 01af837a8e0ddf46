"""A separate network of one width, trained inside the supernet: what nested subnets are compared with.

`training.only` trains one uniform subnet and nothing else: no other subnet shares its weights, and what lies outside of
it is moved by weight decay alone. It then is an ordinary network of that width in all but its initialisation: the
supernet draws its weights for the fans of the full width. `own_fans` gives every layer the spread that its own width
asks for.
"""

from __future__ import annotations

import math

import torch

from ..models.decoders import DenseDecoder
from ..models.layers import SlimConv2d, SlimLinear
from ..models.space import SubnetConfig
from ..models.supernet import Supernet


def own_fans(supernet: Supernet, config: SubnetConfig, *, encoder: bool = True) -> None:
    """Scale freshly initialised weights as if layers had only the channels of `config`; `encoder=False` spares it.

    Convolutions are He-initialised by their outputs (a spread of 1 / sqrt(fan-out)), fully connected layers as torch
    does (bounds of 1 / sqrt(fan-in)), heads of class scores with that as their spread; so a factor for the whole layer
    is exact. What else no batch norm follows has one spread at any width, and stays. A pretrained encoder stays as it
    is.
    """
    decoders = [decoder for decoder in supernet.decoders.values() if isinstance(decoder, DenseDecoder)]
    scoring = {decoder.head for decoder in decoders if decoder.scores}
    bare = {layer for decoder in decoders for layer in decoder.bare}
    with torch.no_grad():
        for name, layer in supernet.slim_layers().items():
            if layer in scoring:
                inputs = sum(part.at(config) for part in layer.reads)
                layer.weight.mul_(math.sqrt(layer.in_channels / inputs))
            if layer in bare or (name.startswith("encoder.") and not encoder):
                continue
            if isinstance(layer, SlimConv2d):
                layer.weight.mul_(math.sqrt(layer.makes.full / layer.makes.at(config)))
            elif isinstance(layer, SlimLinear):
                scale = math.sqrt(layer.reads.full / layer.reads.at(config))
                layer.weight.mul_(scale)
                if layer.bias is not None:
                    layer.bias.mul_(scale)

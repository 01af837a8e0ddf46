"""Which graph a subnet would be exported as: what a device measured of a graph holds for subnets not exported yet."""

from __future__ import annotations

import hashlib

from ..models.extract import extract_subnet
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from .narrow import narrow, serialize
from .template import widest_template


class GraphDigests:
    """Digests of the fp32 graphs of a supernet's subnets, as its suite states them; weights and images play no part."""

    def __init__(self, supernet: Supernet):
        self._supernet = supernet
        self._template = widest_template(supernet)

    def __call__(self, config: SubnetConfig) -> str:
        """sha256 in hex of the graph of one configuration."""
        state = extract_subnet(self._supernet, config).state_dict()
        graph = narrow(self._template, {name: tuple(tensor.shape) for name, tensor in state.items()})
        return hashlib.sha256(serialize(graph)).hexdigest()

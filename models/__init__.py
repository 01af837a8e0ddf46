"""Slimmable multi-task networks: layers, encoders, decoders, the supernet and its subnets (ECMT, ICCV 2023)."""

from .architecture import Architecture
from .channels import Channels, Ranges
from .cost import Cost, CostModel, PartCost
from .decode import decode
from .extract import extract_subnet
from .layers import SlimConv2d, SlimLinear
from .losses import loss
from .metrics import Metric
from .network import Network, normalize
from .norm import SlimBatchNorm2d
from .setting import Moments, Setting, Statistics
from .sorting import ChannelOrder, permute_channels, permuted, sort_supernet
from .space import SearchSpace, SubnetConfig
from .supernet import Supernet, build_supernet, stages_of, views

__all__ = [
    "Architecture",
    "ChannelOrder",
    "Channels",
    "Cost",
    "CostModel",
    "Metric",
    "Moments",
    "Network",
    "PartCost",
    "Ranges",
    "SearchSpace",
    "Setting",
    "SlimBatchNorm2d",
    "SlimConv2d",
    "SlimLinear",
    "Statistics",
    "SubnetConfig",
    "Supernet",
    "build_supernet",
    "decode",
    "extract_subnet",
    "loss",
    "normalize",
    "permute_channels",
    "permuted",
    "sort_supernet",
    "stages_of",
    "views",
]

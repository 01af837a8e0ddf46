"""Small supernets of every kind, and configurations of them, for property-based tests."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from pliant.models import (
    Architecture,
    Moments,
    SearchSpace,
    Statistics,
    SubnetConfig,
    Supernet,
    build_supernet,
    stages_of,
)
from pliant.runtime.format.tasks import Task

DENSE = (
    Task("surfaces", "segmentation", ("floor", "wall", "thing"), ((90, 90, 90), (200, 180, 120), (180, 60, 60))),
    Task("depth", "depth", value_range=(0.3, 10.0)),
    Task("normals", "normals"),
    Task("edges", "edges"),
)
LABELS = (Task("animal", "classification", ("cat", "dog", "owl")), Task("tree", "classification", ("oak", "fir")))

# Name -> architecture of a network that is small, but has every kind of layer of the real one.
ARCHITECTURES = {
    "resnet10": Architecture("resnet10", 32, 48, base=16, decoder_channels=16, skip_channels=8),
    "resnet18-stride32": Architecture("resnet18", 64, 64, base=16, decoder_channels=16, output_stride=32),
    "resnet20-cifar": Architecture("resnet20", 16, 16, stem="cifar", output_stride=4, decoder_channels=16),
    "resnet20-cifar-convolution": Architecture(
        "resnet20", 16, 16, stem="cifar", output_stride=4, decoder_channels=16, classifier="convolution"
    ),
    "resnet50": Architecture("resnet50", 32, 32, base=16, decoder_channels=16, skip_channels=8),
    "mobilenetv2": Architecture("mobilenetv2", 32, 32, decoder_channels=16, skip_channels=8),
}


def make_supernet(name: str, tasks: tuple[Task, ...] = DENSE, seed: int = 0) -> Supernet:
    architecture = ARCHITECTURES[name]
    space = SearchSpace(stages_of(architecture.encoder), tuple(task.name for task in tasks))
    torch.manual_seed(seed)
    supernet = build_supernet(architecture, tasks, space)
    spread_affine(supernet)
    return supernet


def spread_affine(supernet: Supernet) -> None:
    """Give batch norm unequal weights and biases: at their initial 1 and 0 a wrong slice would not show."""
    with torch.no_grad():
        for module in supernet.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)


def images(supernet: Supernet, count: int = 2, seed: int = 1) -> torch.Tensor:
    size = (supernet.architecture.height, supernet.architecture.width)
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def collect_statistics(supernet: Supernet, config: SubnetConfig, batch: torch.Tensor) -> Statistics:
    collected: dict[str, Moments] = {}
    with torch.no_grad():
        supernet(batch, config, collect=collected)
    return {name: (m.mean.float(), m.variance.float()) for name, m in collected.items()}


def configs(space: SearchSpace) -> st.SearchStrategy[SubnetConfig]:
    encoder = st.tuples(*[st.sampled_from(space.encoder_widths)] * space.stages)
    decoders = st.tuples(*[st.sampled_from(space.decoder_widths)] * len(space.tasks))
    return st.builds(lambda e, d: SubnetConfig(e, tuple(zip(space.tasks, d, strict=True))), encoder, decoders)

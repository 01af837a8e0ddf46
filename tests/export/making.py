"""Tiny supernets with batch-norm statistics that matter, and labelled images made of waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pliant.export.deployed import Deployed
from pliant.models.architecture import Architecture
from pliant.models.setting import Statistics
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.models.supernet import Supernet, build_supernet, stages_of
from pliant.runtime.format.tasks import Kind, Task
from pliant.training.data.sample import Sample

SIZE = (32, 48)
_CLASSES = ("dark", "dim", "middle", "light", "bright")


def task(kind: Kind) -> Task:
    classes = _CLASSES if kind in ("segmentation", "classification") else ()
    colors = ((0, 0, 0), (60, 0, 0), (120, 0, 0), (180, 0, 0), (240, 0, 0)) if classes else ()
    return Task(kind, kind, classes, colors, (0.5, 10.0) if kind == "depth" else (0.0, 1.0))


def supernet(
    *kinds: Kind, encoder: str = "resnet10", classifier: str = "pooled", seed: int = 0, **shape: Any
) -> Supernet:
    """A supernet whose batch norms have gains of both signs; `shape` is the rest of its architecture."""
    torch.manual_seed(seed)
    tasks = tuple(task(kind) for kind in kinds)
    space = SearchSpace(stages_of(encoder), tuple(one.name for one in tasks), (0.5, 0.75, 1.0), (0.5, 1.0))
    base = None if encoder == "mobilenetv2" else 16
    rest = {"base": base, "decoder_channels": 16, "skip_channels": 8, "classifier": classifier, **shape}
    net = build_supernet(Architecture(encoder, *SIZE, **rest), tasks, space).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            _shake(module)
    return net


def _shake(norm: nn.BatchNorm2d) -> None:
    with torch.no_grad():
        norm.weight.copy_(torch.where(torch.rand(norm.num_features) < 0.2, -0.5, 1.0))
        norm.bias.normal_(0.0, 0.2)


def statistics(net: Supernet, config: SubnetConfig, seed: int = 0) -> Statistics:
    """Moments of the right sizes that are nobody's, so that a mix-up shows."""
    random = torch.Generator().manual_seed(seed)
    found: Statistics = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            count = net.slim_layers()[name].makes.at(config)
            mean = 0.1 * torch.randn(count, generator=random)
            found[name] = (mean, 0.5 + torch.rand(count, generator=random))
    return found


def deployed(net: Supernet, config: SubnetConfig, moments: Statistics | None = None) -> Deployed:
    from pliant.models.extract import extract_subnet

    return Deployed(extract_subnet(net, config, moments), net.architecture, net.tasks).eval()


def waves(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Images (count, H, W, 3) with structure: sums of coloured waves, and a little noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    images = []
    for _ in range(count):
        a, b, phase = random.uniform(3, 15, 3), random.uniform(3, 15, 3), random.uniform(0, 6, 3)
        wave = np.sin(y[..., None] / a + x[..., None] / b + phase)
        images.append(128 + 90 * wave + random.normal(0, 8, (*SIZE, 3)))
    stacked: NDArray[np.uint8] = np.clip(np.stack(images), 0, 255).astype(np.uint8)
    return stacked


@dataclass(frozen=True)
class Waves:
    """A data set that is labelled by the colours themselves: easy enough to be learnt in seconds."""

    tasks: tuple[Task, ...]
    count: int = 24
    seed: int = 0
    labelled: bool = True
    name: str = "waves"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        image = waves(1, seed=1000 * self.seed + index)[0]
        targets = {one.name: _label(one, image) for one in self.tasks} if self.labelled else {}
        return Sample(image, targets)


def _label(one: Task, image: NDArray[np.uint8]) -> NDArray[Any]:
    if one.kind == "segmentation":
        return (image[..., 0] // 52).astype(np.uint8)
    if one.kind == "depth":
        return (1 + image[..., 1] / 32).astype(np.float32)
    if one.kind == "edges":
        return (image[..., 2] > 128).astype(np.uint8)
    if one.kind == "normals":
        vectors = np.concatenate([image[..., :2] / 128.0 - 1, np.ones((*SIZE, 1))], -1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
    return np.asarray(int(image.mean() // 52), np.int64)

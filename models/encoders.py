"""Encoders whose stages bend: ResNets (CVPR 2016) and MobileNetV2 (CVPR 2018), with torchvision's parameter names.

An encoder returns one feature map a stage, finest first; stage s has the width group `encoder.s`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import BasicBlock, Bottleneck, ConvNorm, InvertedResidual
from .channels import Channels
from .dilation import reaches
from .layers import SlimConv2d
from .norm import SlimBatchNorm2d
from .setting import Setting


@dataclass(frozen=True)
class ResNetPlan:
    """Blocks a stage, and which block."""

    blocks: tuple[int, ...]
    block: type[BasicBlock] | type[Bottleneck]
    base: int = 64


RESNETS: dict[str, ResNetPlan] = {
    "resnet10": ResNetPlan((1, 1, 1, 1), BasicBlock),
    "resnet18": ResNetPlan((2, 2, 2, 2), BasicBlock),
    "resnet20": ResNetPlan((3, 3, 3), BasicBlock, base=16),
    "resnet34": ResNetPlan((3, 4, 6, 3), BasicBlock),
    "resnet50": ResNetPlan((3, 4, 6, 3), Bottleneck),
}

# torchvision's table, (expansion, channels, blocks, stride), cut into four stages that end at 1/4, 1/8, 1/16 and 1/32.
MOBILENETV2: tuple[tuple[tuple[int, int, int, int], ...], ...] = (
    ((1, 16, 1, 1), (6, 24, 2, 2)),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)

ENCODERS: tuple[str, ...] = (*RESNETS, "mobilenetv2")


class ResNet(nn.Module):
    """A ResNet without its classifier.

    `stem` is `imagenet` (7x7 stride 2 and max pooling) or `cifar` (3x3). `base` is the full channel count of the first
    stage. Where `output_stride` is smaller than the strides of all stages, late stages are dilated instead.
    """

    def __init__(
        self, name: str, *, stem: str, base: int | None, output_stride: int, dilates_first: bool, multiple: int
    ):
        super().__init__()
        plan = RESNETS[name]
        base = plan.base if base is None else base
        self.stem = stem
        first = Channels(base, "encoder.0", multiple)
        large = stem == "imagenet"
        self.conv1 = SlimConv2d(Channels(3), first, 7 if large else 3, stride=2 if large else 1)
        self.bn1 = SlimBatchNorm2d(first)
        self.channels: list[Channels] = []
        self.stages = len(plan.blocks)
        strides = [1, *(2 for _ in plan.blocks[1:])]
        steps = reaches(strides, 4 if large else 1, output_stride, dilates_first=dilates_first)
        reads = first
        for stage, (blocks, reach) in enumerate(zip(plan.blocks, steps, strict=True)):
            expansion = plan.block.expansion if plan.block is Bottleneck else 1
            makes = Channels(base * 2**stage * expansion, f"encoder.{stage}", multiple)
            later = (plan.block(makes, makes, reach.after) for _ in range(blocks - 1))
            self.add_module(f"layer{stage + 1}", nn.ModuleList([plan.block(reads, makes, reach), *later]))
            self.channels.append(makes)
            reads = makes

    def forward(self, x: Tensor, *at: Setting) -> list[Tensor]:
        """(N, 3, H, W) -> per stage (N, c, h, w), finest first."""
        x = F.relu(self.bn1(self.conv1(x, *at), *at))
        if self.stem == "imagenet":
            x = F.max_pool2d(x, 3, 2, 1)
        features = []
        for stage in range(self.stages):
            for block in self.get_submodule(f"layer{stage + 1}").children():
                x = block(x, *at)
            features.append(x)
        return features


class MobileNetV2(nn.Module):
    """MobileNetV2 up to its last block; the 1280-channel layer before the classifier is not used for dense tasks."""

    def __init__(self, *, output_stride: int, dilates_first: bool, multiple: int):
        super().__init__()
        reads = Channels(32, "encoder.0", multiple)
        self.features = nn.ModuleList([ConvNorm(Channels(3), reads, 3, stride=2, activation="relu6")])
        self.channels: list[Channels] = []
        self.ends: list[int] = []
        strides = (row[3] for rows in MOBILENETV2 for row in rows)
        steps = reaches(strides, 2, output_stride, dilates_first=dilates_first)
        for stage, rows in enumerate(MOBILENETV2):
            for expansion, count, blocks, _ in rows:
                makes = Channels(count, f"encoder.{stage}", multiple)
                reach = next(steps)
                for _ in range(blocks):
                    self.features.append(InvertedResidual(reads, makes, reach, expansion))
                    reads, reach = makes, reach.after
            self.channels.append(reads)
            self.ends.append(len(self.features))

    def forward(self, x: Tensor, *at: Setting) -> list[Tensor]:
        """(N, 3, H, W) -> per stage (N, c, h, w), finest first."""
        features = []
        for index, layer in enumerate(self.features, start=1):
            x = layer(x, *at)
            if index in self.ends:
                features.append(x)
        return features

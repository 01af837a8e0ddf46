"""The supernet: the full-width network that holds all others (ECMT, ICCV 2023)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from ..devices.errors import ConfigError
from ..runtime.format.tasks import Task
from .architecture import CONVOLUTION, Architecture
from .channels import Channels, Ranges
from .decoders import ClassificationHead, ConvolutionHead, DenseDecoder
from .encoders import RESNETS, MobileNetV2, ResNet
from .layers import SLIM_LAYERS, SlimLayer
from .network import Network
from .norm import SlimBatchNorm2d
from .reduction import HERE, Reduction
from .rounding import Rounding
from .setting import Moments, Setting, Statistics
from .space import SearchSpace, SubnetConfig


class Supernet(Network):
    """A network whose every subnet is a prefix of it; the configuration is an argument of each call.

    Calls take images (N, 3, H, W), normalised (`normalize`), and return raw outputs by task, at the images' size.
    `statistics` are the configuration's recalibrated batch-norm moments; without them evaluation uses the full width's
    running ones, which suit only the widest. `collect` gathers new ones (`training.evaluation`). In training
    the batch's moments are those of all processes that share it, by `reduction`. `rounding` rounds as if on integers
    (`quantize.fake`).
    """

    def __init__(self, architecture: Architecture, tasks: tuple[Task, ...], space: SearchSpace):
        names = tuple(sorted(task.name for task in tasks))
        if names != space.tasks:
            raise ConfigError(f"the space has decoders for {list(space.tasks)}, the tasks are {list(names)}")
        encoder = _encoder(architecture, space.multiple)
        channels: list[Channels] = encoder.channels
        if len(channels) != space.stages:
            raise ConfigError(f"{architecture.encoder} has {len(channels)} stages, the space {space.stages}")
        decoders = nn.ModuleDict({task.name: _decoder(task, channels, architecture, space) for task in tasks})
        super().__init__(architecture, tasks, encoder, decoders)
        self.space = space
        for name, module in self.named_modules():
            if isinstance(module, SlimBatchNorm2d):
                module.name = name
        _initialise(self)

    def forward(  # type: ignore[override]
        self,
        images: Tensor,
        config: SubnetConfig,
        statistics: Statistics | None = None,
        *,
        tasks: Iterable[str] | None = None,
        collect: dict[str, Moments] | None = None,
        reduction: Reduction = HERE,
        rounding: Rounding | None = None,
    ) -> dict[str, Tensor]:
        """Raw outputs of one subnet: (N, C, H, W) by dense task, (N, C) by classification task."""
        return super().forward(images, Setting(config, statistics, collect, reduction, rounding), tasks=tasks)

    def features(
        self,
        images: Tensor,
        config: SubnetConfig,
        statistics: Statistics | None = None,
        *,
        collect: dict[str, Moments] | None = None,
        reduction: Reduction = HERE,
        rounding: Rounding | None = None,
    ) -> list[Tensor]:
        """The encoder's feature maps of one subnet, finest first."""
        return self.encode(images, Setting(config, statistics, collect, reduction, rounding))

    def decode_features(
        self,
        features: list[Tensor],
        size: tuple[int, int],
        config: SubnetConfig,
        statistics: Statistics | None = None,
        *,
        tasks: Iterable[str] | None = None,
        collect: dict[str, Moments] | None = None,
        reduction: Reduction = HERE,
        rounding: Rounding | None = None,
    ) -> dict[str, Tensor]:
        """Raw outputs from features of the same encoder configuration."""
        return self.decode(features, size, Setting(config, statistics, collect, reduction, rounding), tasks=tasks)

    def slim_layers(self) -> dict[str, SlimLayer]:
        """Every slimmable layer by its module path."""
        return {name: module for name, module in self.named_modules() if isinstance(module, SLIM_LAYERS)}


def build_supernet(architecture: Architecture, tasks: tuple[Task, ...], space: SearchSpace) -> Supernet:
    """A freshly initialised supernet; seed torch first for a reproducible one."""
    return Supernet(architecture, tasks, space)


def stages_of(encoder: str) -> int:
    """Number of encoder stages, hence of encoder widths in a configuration."""
    return len(RESNETS[encoder].blocks) if encoder in RESNETS else 4


def views(supernet: Supernet, config: SubnetConfig) -> dict[str, Ranges]:
    """Parameter name -> the part of it that a configuration uses, as [start, stop) ranges per axis."""
    return {
        f"{name}.{parameter}": ranges
        for name, layer in supernet.slim_layers().items()
        for parameter, ranges in layer.ranges(config).items()
    }


def _encoder(architecture: Architecture, multiple: int) -> ResNet | MobileNetV2:
    step, first = architecture.output_stride, architecture.dilates_first
    if architecture.encoder == "mobilenetv2":
        return MobileNetV2(output_stride=step, dilates_first=first, multiple=multiple)
    return ResNet(
        architecture.encoder,
        stem=architecture.stem,
        base=architecture.base,
        output_stride=step,
        dilates_first=first,
        multiple=multiple,
    )


def _decoder(task: Task, channels: list[Channels], architecture: Architecture, space: SearchSpace) -> nn.Module:
    group = f"decoder.{task.name}"
    if task.kind == "classification":
        head = ConvolutionHead if architecture.classifier == CONVOLUTION else ClassificationHead
        return head(
            channels[-1],
            task.channels,
            group=group,
            channels=architecture.decoder_channels,
            multiple=space.multiple,
        )
    return DenseDecoder(
        channels[-1],
        channels[0],
        task.channels,
        group=group,
        channels=architecture.decoder_channels,
        skip=architecture.skip_channels,
        rates=architecture.aspp_rates,
        multiple=space.multiple,
        scores=task.kind not in ("depth", "normals"),
    )


def _initialise(network: nn.Module) -> None:
    """He initialisation by the full width's fan-out, as torchvision's ResNets; by the inputs where no norm follows."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, DenseDecoder):
            module.calm()

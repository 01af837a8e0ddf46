"""The topology that a supernet and its extracted subnets share: one encoder, one decoder a task."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..runtime.format.tasks import Task
from .architecture import Architecture
from .setting import Setting


class Network(nn.Module):
    """One encoder and one decoder a task; images (N, 3, H, W), normalised, in; raw outputs by task out."""

    def __init__(
        self, architecture: Architecture, tasks: tuple[Task, ...], encoder: nn.Module, decoders: nn.ModuleDict
    ):
        super().__init__()
        self.architecture = architecture
        self.tasks = tasks
        self.encoder = encoder
        self.decoders = decoders

    def encode(self, images: Tensor, *at: Setting) -> list[Tensor]:
        """Feature maps (N, c, h, w), one a stage, finest first."""
        return self.encoder(images, *at)  # type: ignore[no-any-return]

    def decode(
        self, features: list[Tensor], size: tuple[int, int], *at: Setting, tasks: Iterable[str] | None = None
    ) -> dict[str, Tensor]:
        """Raw outputs of the named tasks (all, unless told): (N, C, *size), or (N, C) for classification."""
        wanted = [task.name for task in self.tasks] if tasks is None else list(tasks)
        return {name: self.decoders[name](features, size, *at) for name in wanted}

    def forward(self, images: Tensor, *at: Setting, tasks: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw outputs by task."""
        size = (images.shape[2], images.shape[3])
        return self.decode(self.encode(images, *at), size, *at, tasks=tasks)


def normalize(images: Tensor, architecture: Architecture) -> Tensor:
    """uint8 RGB (N, H, W, 3) -> float32 (N, 3, H, W), contiguous, standardised by the architecture's mean and std.

    Contiguous on purpose: a permuted array is channels-last without anyone having asked, and torch 2.13's CPU backward
    of a narrow strided 1x1 convolution, which an extracted subnet may have, corrupts memory on such inputs.
    """
    scale = torch.tensor([1.0 / (255.0 * s) for s in architecture.std], device=images.device).view(1, 3, 1, 1)
    shift = torch.tensor(
        [m / s for m, s in zip(architecture.mean, architecture.std, strict=True)], device=images.device
    )
    return images.permute(0, 3, 1, 2).contiguous().float() * scale - shift.view(1, 3, 1, 1)

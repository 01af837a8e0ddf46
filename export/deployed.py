"""The network as it is deployed: uint8 images in, raw and decoded outputs out."""

from __future__ import annotations

from torch import Tensor, nn

from ..models.architecture import Architecture
from ..models.decode import decode
from ..models.network import normalize
from ..runtime.format.tasks import Task


class Deployed(nn.Module):
    """A plain subnet between normalization and decoding.

    Takes uint8 (N, H, W, 3) RGB; gives, per task in order, the decoded output and the raw logits (the table in
    `runtime.format.tasks`). What the exporter traces and what parity compares with are this one module.
    """

    def __init__(self, network: nn.Module, architecture: Architecture, tasks: tuple[Task, ...]):
        super().__init__()
        self.network = network
        self.architecture = architecture
        self.tasks = tasks

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order: `T` decoded, `T/logits` raw."""
        return [name for task in self.tasks for name in (task.name, f"{task.name}/logits")]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8 (N, H, W, 3) -> decoded and raw outputs in the order of `output_names`."""
        logits = self.network(normalize(images, self.architecture))
        return tuple(out for task in self.tasks for out in (decode(task, logits[task.name]), logits[task.name]))

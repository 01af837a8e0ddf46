"""Who teaches whom within a step: each subnet is taught by the widest, or by the next wider one.

A subnet's graph is freed before the next one is built, so what it teaches with is its detached features and outputs.
With `next` (Scala, NeurIPS 2024) the gap between teacher and student is small; but widths are many, and the subnet
that was trained just before need not be wider everywhere. A teacher must be: in every stage of the encoder, and to
teach a task also in that task's decoder. So a student's teacher is the last of those before it that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ...models.space import SubnetConfig
from ...runtime.format.tasks import Task
from ..recipe.training import SoftLabels
from .soft_labels import SoftTarget, soft_target


@dataclass(frozen=True)
class Teacher:
    """What a subnet said of this step's batch, without a graph.

    `features` are (N, c, h, w), a stage each; `outputs` raw outputs by task. Either is empty where it is not taught.
    """

    config: SubnetConfig
    features: Sequence[Tensor]
    outputs: dict[str, Tensor]
    _ready: dict[str, SoftTarget] = field(default_factory=dict, init=False, repr=False, compare=False)

    def says(self, task: Task, target: Tensor, recipe: SoftLabels) -> SoftTarget:
        """What it says of a task, the same for all whom it teaches; `target` are the labels of this step's batch."""
        if task.name not in self._ready:
            self._ready[task.name] = soft_target(task, self.outputs[task.name], target, recipe)
        return self._ready[task.name]

    def covers(self, config: SubnetConfig, task: str | None = None) -> bool:
        """Whether its encoder, and its decoder of `task`, are nowhere narrower than those of `config`."""
        if any(own < other for own, other in zip(self.config.encoder, config.encoder, strict=True)):
            return False
        return task is None or self.config.width(f"decoder.{task}") >= config.width(f"decoder.{task}")


def teacher_of(earlier: Sequence[Teacher], config: SubnetConfig, task: str | None = None) -> Teacher | None:
    """The last of the `earlier` subnets that may teach `config` its features, or its output of `task`."""
    return next((teacher for teacher in reversed(earlier) if teacher.covers(config, task)), None)

"""What a subnet is trained with: ground truth, CI-KD on features, soft labels on outputs, and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...devices.dialect import get_dialect
from ...models.losses import loss as task_loss
from ...models.reduction import HERE, Reduction
from ...models.rounding import Rounding
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from ..distillation.ci_kd import ci_kd
from ..distillation.soft_labels import soft_label_loss
from ..distillation.teacher import Teacher, teacher_of
from ..layout import Inputs
from ..recipe.training import Distillation, SoftLabels, TrainingRecipe
from .auxiliary import Auxiliary

DISTILLATION, SOFT_LABELS, TOTAL = "distillation", "soft labels", "total"
LOSSES = (DISTILLATION, SOFT_LABELS, TOTAL, "ci-kd")
"""Names that a task cannot have: those of the other losses, the last in TensorBoard."""
Losses = dict[str, Tensor]


def strength(part: Distillation | SoftLabels, done: float) -> float:
    """Weight of a part when the share `done` of all steps is done: 0 before its start, then rising over its ramp."""
    if done < part.start:
        return 0.0
    return part.weight * (min(1.0, (done - part.start) / part.ramp) if part.ramp > 0 else 1.0)


@dataclass(frozen=True)
class Objective:
    """The losses of subnets at one moment of a training: when the share `done` of all steps is done.

    While it is `observing`, the balance of tasks learns from the first subnet of a step. `batch` says where the rest of
    a batch is; the losses are those of all of it.
    """

    supernet: Supernet
    recipe: TrainingRecipe
    done: float
    auxiliary: Auxiliary
    observing: bool = True
    batch: Reduction = HERE

    def __call__(self, inputs: Inputs, config: SubnetConfig, earlier: Sequence[Teacher]) -> tuple[Losses, Teacher]:
        """A subnet's losses with their graph, and what it says without; `earlier` subnets of the step may teach it.

        The losses: one a task, `distillation` and `soft labels` where there is a teacher, and their weighted `total`.
        """
        features, outputs = self._forward(inputs, config)
        rarity = self.recipe.class_weights == "rarity"
        losses = {
            task.name: task_loss(task, outputs[task.name], inputs.targets[task.name], self.batch, rarity=rarity)
            for task in self.supernet.tasks
        }
        if self.observing and not earlier:
            self.auxiliary.balance.observe(losses, features[-1], self.batch)
        terms = self.auxiliary.balance.terms(losses, inputs.targets, self.batch)
        for name, part, taught in (
            (DISTILLATION, self.recipe.distillation, self._distillation(features, config, earlier)),
            (SOFT_LABELS, self.recipe.soft_labels, self._soft_labels(outputs, inputs, config, earlier)),
        ):
            if taught is not None:
                losses[name] = taught
                terms.append(strength(part, self.done) * taught)
        losses[TOTAL] = torch.stack(terms).sum()
        return losses, self._said(config, features, outputs)

    def _forward(self, inputs: Inputs, config: SubnetConfig) -> tuple[list[Tensor], dict[str, Tensor]]:
        size = (inputs.images.shape[2], inputs.images.shape[3])
        with torch.autocast(inputs.images.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            batch, rounding = self.batch, self._rounding()
            features = self.supernet.features(inputs.images, config, reduction=batch, rounding=rounding)
            outputs = self.supernet.decode_features(features, size, config, reduction=batch, rounding=rounding)
            return features, outputs

    def _rounding(self) -> Rounding | None:
        """Towards the end of a training whose networks are to bear int8."""
        if self.recipe.quantization_aware == 0 or self.done < 1.0 - self.recipe.quantization_aware:
            return None
        # It knows graphs, whose tools take a second to import, which most trainings do without.
        from ...quantize.fake import FakeInt8

        symmetric = get_dialect(self.recipe.rounding).symmetric
        return FakeInt8(self.supernet, self.batch, symmetric=symmetric)

    def _distillation(self, features: list[Tensor], config: SubnetConfig, earlier: Sequence[Teacher]) -> Tensor | None:
        part, teacher = self.recipe.distillation, teacher_of(earlier, config)
        if teacher is None or strength(part, self.done) == 0:
            return None
        project, batch = self.auxiliary.project, self.batch
        return ci_kd(features, teacher.features, part.kind, part.stages, form=part.form, project=project, batch=batch)

    def _soft_labels(
        self, outputs: dict[str, Tensor], inputs: Inputs, config: SubnetConfig, earlier: Sequence[Teacher]
    ) -> Tensor | None:
        """Summed over tasks, each with the weight that its ground truth has."""
        part, terms = self.recipe.soft_labels, []
        if strength(part, self.done) == 0:
            return None
        for task, weight in zip(self.supernet.tasks, self.auxiliary.balance.weights(), strict=True):
            teacher = teacher_of(earlier, config, task.name)
            if teacher is not None:
                target = teacher.says(task, inputs.targets[task.name], part)
                terms.append(weight * soft_label_loss(task, outputs[task.name], target, part, self.batch))
        return torch.stack(terms).sum() if terms else None

    def _said(self, config: SubnetConfig, features: list[Tensor], outputs: dict[str, Tensor]) -> Teacher:
        """Only what will be taught is kept."""
        kept_features = features if strength(self.recipe.distillation, self.done) > 0 else []
        kept_outputs = outputs if strength(self.recipe.soft_labels, self.done) > 0 else {}
        return Teacher(
            config,
            [feature.detach() for feature in kept_features],
            {name: output.detach() for name, output in kept_outputs.items()},
        )

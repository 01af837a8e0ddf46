"""Configuration-invariant knowledge distillation, CI-KD: one encoder whatever its width.

(ECMT, ICCV 2023, arXiv 2308.11744.)

What a stage of a narrow encoder says should be what a wider one says, which carries no gradient. The paper's exact
form could not be read, so it is a named choice:

- `prefix`: c channels are compared with the first c channels of the teacher's stage;
- `projection`: a learned 1x1 convolution, slimmable like the stage, brings them to the teacher's channels first
  (as FitNets, ICLR 2015, arXiv 1412.6550; projection.py);
- `attention`: where a stage is active, its mean square over channels, is compared (attention transfer, ICLR 2017,
  arXiv 1612.03928);
- `relational`: how alike every two positions are, the cosine of their channel vectors on a grid of at most 8x8, is
  compared (pairwise structured distillation, CVPR 2019, arXiv 1903.04197).

The first two have a distance, `kind`, which ignores scale: batch norm and the decoders absorb it. Both lie between 0
(the same) and 2; `attention`, whose maps are never negative, between 0 and 1:

- `cosine`: at each position the channel vectors are brought to length one; half their squared distance, 1 - cosine;
- `standardized`: each channel is brought to mean 0 and variance 1 over the batch; half the mean squared distance,
  1 - correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.reduction import HERE, Reduction

FORMS = ("prefix", "projection", "attention", "relational")
KINDS = ("cosine", "standardized")
GRID = 8
Project = Callable[[int, Tensor, int], Tensor]
"""(stage, features (N, c, H, W), C) -> (N, C, H, W)."""


def ci_kd(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    kind: str = "cosine",
    stages: Sequence[int] | None = None,
    *,
    form: str = "prefix",
    project: Project | None = None,
    batch: Reduction = HERE,
) -> Tensor:
    """Mean distance over the compared stages; a scalar with gradient to `student` only.

    Stage s of `student` is (N, c, H, W), of `teacher` (N, C, H, W) with c <= C; `stages` None compares all. `project`
    is what the form `projection` learns; `batch` says where the rest of the batch is.
    """
    chosen = range(len(student)) if stages is None else stages
    distances = []
    for stage in chosen:
        own, wide = student[stage], teacher[stage].detach()
        if project is not None:
            own = project(stage, own.float(), wide.shape[1])
        distances.append(_distance(own, wide, form, kind, batch))
    return torch.stack(distances).mean() if distances else student[0].new_zeros(())


def _distance(student: Tensor, teacher: Tensor, form: str, kind: str, batch: Reduction) -> Tensor:
    if form == "attention":
        return attention_distance(student, teacher, batch)
    if form == "relational":
        return relational_distance(student, teacher, batch)
    return stage_distance(student, teacher, kind, batch)


def stage_distance(student: Tensor, teacher: Tensor, kind: str, batch: Reduction = HERE) -> Tensor:
    """Distance between (N, c, H, W) features and the first c channels of (N, C, H, W) ones."""
    own, target = student.float(), teacher.detach()[:, : student.shape[1]].float()
    if kind == "cosine":
        return 0.5 * batch.mean((_unit(own) - _unit(target)).square().sum(1))
    return 0.5 * batch.mean((batch.standardized(own, 1e-6) - batch.standardized(target, 1e-6)).square())


def attention_distance(student: Tensor, teacher: Tensor, batch: Reduction = HERE) -> Tensor:
    """One minus the cosine between the maps of mean squared activation of (N, c, H, W) and (N, C, H, W) features."""
    own, wide = (_unit(each.float().square().mean(1).flatten(1)) for each in (student, teacher.detach()))
    return 0.5 * batch.mean((own - wide).square().sum(1))


def relational_distance(student: Tensor, teacher: Tensor, batch: Reduction = HERE) -> Tensor:
    """Mean squared difference between the cosines of all pairs of positions; (N, c, H, W) and (N, C, H, W)."""
    own, wide = (_likeness(each.float()) for each in (student, teacher.detach()))
    return batch.mean((own - wide).square())


def _likeness(features: Tensor) -> Tensor:
    """(N, c, H, W) -> cosines of every two of P positions, (N, P, P)."""
    size = (min(GRID, features.shape[2]), min(GRID, features.shape[3]))
    positions = _unit(F.adaptive_avg_pool2d(features, size)).flatten(2)
    return positions.transpose(1, 2) @ positions


def _unit(features: Tensor) -> Tensor:
    # Spelled out: torch's vector norm over the channel axis is several times slower on a CPU.
    return features * (features.square().sum(1, keepdim=True) + 1e-12).rsqrt()

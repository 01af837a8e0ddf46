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
(the same) and about 2, as does `attention`:

- `cosine`: at each position the channel vectors are brought to length one; half their squared distance, 1 - cosine;
- `standardized`: each channel is brought to mean 0 and variance 1 over the batch; half the mean squared distance,
  1 - correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

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
) -> Tensor:
    """Mean distance over the compared stages; a scalar with gradient to `student` only.

    Stage s of `student` is (N, c, H, W), of `teacher` (N, C, H, W) with c <= C; `stages` None compares all. `project`
    is what the form `projection` learns.
    """
    chosen = range(len(student)) if stages is None else stages
    distances = []
    for stage in chosen:
        own, wide = student[stage], teacher[stage].detach()
        if project is not None:
            own = project(stage, own.float(), wide.shape[1])
        distances.append(_distance(own, wide, form, kind))
    return torch.stack(distances).mean() if distances else student[0].new_zeros(())


def _distance(student: Tensor, teacher: Tensor, form: str, kind: str) -> Tensor:
    if form == "attention":
        return attention_distance(student, teacher)
    return relational_distance(student, teacher) if form == "relational" else stage_distance(student, teacher, kind)


def stage_distance(student: Tensor, teacher: Tensor, kind: str) -> Tensor:
    """Distance between (N, c, H, W) features and the first c channels of (N, C, H, W) ones."""
    normal = _unit if kind == "cosine" else _standard
    target = normal(teacher.detach()[:, : student.shape[1]].float())
    squared = (normal(student.float()) - target).square()
    return 0.5 * (squared.sum(1).mean() if kind == "cosine" else squared.mean())


def attention_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine between the maps of mean squared activation of (N, c, H, W) and (N, C, H, W) features."""
    own, wide = (_unit(each.float().square().mean(1).flatten(1)) for each in (student, teacher.detach()))
    return 0.5 * (own - wide).square().sum(1).mean()


def relational_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference between the cosines of all pairs of positions; (N, c, H, W) and (N, C, H, W)."""
    own, wide = (_likeness(each.float()) for each in (student, teacher.detach()))
    return (own - wide).square().mean()


def _likeness(features: Tensor) -> Tensor:
    """(N, c, H, W) -> cosines of every two of P positions, (N, P, P)."""
    size = (min(GRID, features.shape[2]), min(GRID, features.shape[3]))
    positions = _unit(F.adaptive_avg_pool2d(features, size)).flatten(2)
    return positions.transpose(1, 2) @ positions


def _unit(features: Tensor) -> Tensor:
    # Spelled out: torch's vector norm over the channel axis is several times slower on a CPU.
    return features * (features.square().sum(1, keepdim=True) + 1e-12).rsqrt()


def _standard(features: Tensor) -> Tensor:
    variance, mean = torch.var_mean(features, dim=(0, 2, 3), keepdim=True, correction=0)
    return (features - mean) * (variance + 1e-6).rsqrt()

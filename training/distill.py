"""Configuration-invariant knowledge distillation, CI-KD (ECMT, ICCV 2023): one encoder whatever its width.

What a stage of a narrow encoder says should be what the same channels of the full-width encoder say: stage s with c
channels is compared with the first c channels of the widest's stage s, which carries no gradient. The paper's exact
form could not be read, so it is a named choice; both forms ignore scale, which batch norm and the decoders absorb,
and both lie between 0 (the same) and about 2:

- `cosine`: at each position the channel vectors are brought to length one; half their squared distance, 1 - cosine;
- `standardized`: each channel is brought to mean 0 and variance 1 over the batch; half the mean squared distance,
  1 - correlation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

KINDS = ("cosine", "standardized")


def ci_kd(
    student: Sequence[Tensor], teacher: Sequence[Tensor], kind: str = "cosine", stages: Sequence[int] | None = None
) -> Tensor:
    """Mean distance over the compared stages; a scalar with gradient to `student` only.

    Stage s of `student` is (N, c, H, W), of `teacher` (N, C, H, W) with c <= C; `stages` None compares all.
    """
    chosen = range(len(student)) if stages is None else stages
    distances = [stage_distance(student[stage], teacher[stage], kind) for stage in chosen]
    return torch.stack(distances).mean() if distances else student[0].new_zeros(())


def stage_distance(student: Tensor, teacher: Tensor, kind: str) -> Tensor:
    """Distance between (N, c, H, W) features and the first c channels of (N, C, H, W) ones."""
    normal = _unit if kind == "cosine" else _standard
    target = normal(teacher.detach()[:, : student.shape[1]].float())
    squared = (normal(student.float()) - target).square()
    return 0.5 * (squared.sum(1).mean() if kind == "cosine" else squared.mean())


def _unit(features: Tensor) -> Tensor:
    # Spelled out: torch's vector norm over the channel axis is several times slower on a CPU.
    return features * (features.square().sum(1, keepdim=True) + 1e-12).rsqrt()


def _standard(features: Tensor) -> Tensor:
    variance, mean = torch.var_mean(features, dim=(0, 2, 3), keepdim=True, correction=0)
    return (features - mean) * (variance + 1e-6).rsqrt()

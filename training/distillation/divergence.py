"""How far a student's class probabilities q are from its teacher's p, at every position.

- `kl`: KL(p || q), the usual soft labels (Hinton et al., 2015, arXiv 1503.02531);
- `alpha`: the larger of two alpha-divergences (AlphaNet, ICML 2021, arXiv 2102.07954). KL(p || q) forgives a student
  that is sure of what its teacher thinks unlikely; an alpha below 0 punishes just that.

    D_alpha(p || q) = (sum_i q_i (p_i / q_i)^alpha - 1) / (alpha (alpha - 1)),  the limit at 1 being KL(p || q)

Both are 0 where p = q. Scores are divided by a temperature first, and the result multiplied by its square, so that
gradients keep their size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ALPHAS = (-1.0, 1.0)
RATIO = 5.0
"""Largest (p / q)^alpha that counts in a gradient: it has heavy tails, which AlphaNet cuts off at the same value."""


def divergence(student: Tensor, log_p: Tensor, kind: str = "kl", temperature: float = 1.0) -> Tensor:
    """Divergence of scores (N, C, ...) from the teacher's, over C: (N, ...), with gradient to `student` only.

    `log_p` are the logarithms of the teacher's probabilities at that temperature (`log_probabilities`).
    """
    log_q, log_p = log_probabilities(student, temperature), log_p.detach()
    if kind == "kl":
        found = F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)
    else:
        low, high = (alpha_divergence(log_q, log_p, alpha, RATIO) for alpha in ALPHAS)
        found = torch.maximum(low, high)
    return found * temperature**2


def log_probabilities(scores: Tensor, temperature: float = 1.0) -> Tensor:
    """Logarithms of the probabilities of classes, from scores of them, over axis 1."""
    return (scores if temperature == 1.0 else scores / temperature).log_softmax(1)


def alpha_divergence(log_q: Tensor, log_p: Tensor, alpha: float, largest: float | None = None) -> Tensor:
    """D_alpha of p from q, over axis 1, with gradient to `log_q` only; `alpha` is any number but 0.

    `largest` bounds (p / q)^alpha. The gradient is -1/alpha sum_i min((p_i / q_i)^alpha, largest) dq_i: what is bounded
    is the weight of a class in the gradient, as AlphaNet does; bounding its term instead would halve it at alpha -1.
    """
    with torch.no_grad():
        excess = log_p - log_q
        # p^alpha q^(1 - alpha): what each class weighs in the sum and in the gradient.
        if largest is None:
            mass = (alpha * excess + log_q).exp()
        else:
            mass = (alpha * excess).exp().clamp(max=largest) * log_q.exp()
        value = (log_p.exp() * excess).sum(1) if alpha == 1 else (mass.sum(1) - 1) / (alpha * (alpha - 1))
    slope = -(mass * log_q).sum(1) / alpha
    return value + slope - slope.detach()

"""How far a preference steers: control, uniformity, and whether what is preferred gets better.

A *chooser* answers (preference, budget) with a subnet. It is asked for the 20 preferences of the protocol of
Raychaudhuri et al. (CVPR 2022, arXiv 2203.14949), drawn uniformly from the simplex, at ten budgets between the costs of
the narrowest and the widest subnet. An *error* is what a metric lacks (1 - value where higher is better, else the
value) over the widest's.

- *Control*: the hypervolume of the chosen subnets' errors, the reference being the narrowest's, averaged over budgets.
  A chooser that ignores the preference contributes the one point that it has.
- *Uniformity*: 1 - KL(r e / sum(r e) || 1/N) for a preference r and the errors e of N tasks, averaged (the same paper):
  1 where the preferred tasks have so much less error that all weighted errors are equal.
- *Response*: Spearman's correlation of a task's preference with its error, negated, averaged over tasks and budgets;
  positive where preferring a task makes it better at the same cost, 0 where nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ..runtime.format.tasks import Task
from .preference import Preference

Quality = Mapping[str, float]
Chooser = Callable[[Preference, float], Quality]
"""(preference, budget) -> quality by task of the subnet chosen."""
LEAST = 1e-9


@dataclass(frozen=True)
class Control:
    """The three measures; `references` are the narrowest's errors by task, which control is measured from."""

    control: float
    uniformity: float
    response: float
    references: Mapping[str, float]
    by_budget: tuple[float, ...]


def protocol_preferences(tasks: Sequence[str], count: int = 20, seed: int = 0) -> tuple[Preference, ...]:
    """Preferences drawn uniformly from the simplex; the same for the same tasks, count and seed."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(tasks)), count)
    return tuple(
        Preference.of(tasks, {task: max(float(share), LEAST) for task, share in zip(tasks, row, strict=True)})
        for row in shares
    )


def budgets_between(low: float, high: float, count: int = 10) -> list[float]:
    """`count` budgets, evenly between the costs of the narrowest and of the widest subnet, which are left out."""
    return [low + (high - low) * step / (count + 1) for step in range(1, count + 1)]


def measure_control(
    choose: Chooser,
    tasks: Sequence[Task],
    narrowest: Quality,
    widest: Quality,
    preferences: Sequence[Preference],
    budgets: Sequence[float],
) -> Control:
    """Ask a chooser for every preference at every budget."""
    reference = errors(tasks, narrowest, widest)
    shares = np.array([[each.simplex[task.name] for task in tasks] for each in preferences])
    volumes, uniform, responses = [], [], []
    for budget in budgets:
        found = np.array([errors(tasks, choose(each, budget), widest) for each in preferences])
        volumes.append(float(moocore.hypervolume(np.unique(found, axis=0), ref=reference)))
        uniform.append(float(np.mean([_uniformity(share, row) for share, row in zip(shares, found, strict=True)])))
        responses.append(_response(shares, found))
    references = {task.name: float(error) for task, error in zip(tasks, reference, strict=True)}
    control, uniformity, response = (float(np.mean(each)) for each in (volumes, uniform, responses))
    return Control(control, uniformity, response, references, tuple(volumes))


def errors(tasks: Sequence[Task], quality: Quality, widest: Quality) -> NDArray[np.float64]:
    """(tasks,) errors over the widest's."""
    return np.array([_error(task, quality[task.name]) / max(_error(task, widest[task.name]), LEAST) for task in tasks])


def _error(task: Task, value: float) -> float:
    return 1.0 - value if task.higher_is_better else value


def _uniformity(share: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    weighted = np.maximum(share * error, LEAST)
    weighted = weighted / weighted.sum()
    return 1.0 - float((weighted * np.log(weighted * len(weighted))).sum())


def _response(shares: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Mean over tasks; a task whose error never changes answers nothing."""
    columns = zip(shares.T, found.T, strict=True)
    return float(np.mean([0.0 if np.ptp(error) == 0 else -spearmanr(share, error)[0] for share, error in columns]))

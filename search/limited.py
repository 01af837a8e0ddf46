"""A problem with limits of cost beside its budgets; searches that do not know of them search it as any other."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .algorithm import Problem
from .limits import NONE, Limits


@dataclass(frozen=True)
class Limited(Problem):
    """What to search, and what a subnet worth having may cost at most."""

    limits: Limits = NONE

    @classmethod
    def of(cls, problem: Problem, limits: Limits) -> Limited:
        """The same problem with these limits."""
        return cls(**{each.name: getattr(problem, each.name) for each in fields(Problem)}, limits=limits)


def limits_of(problem: Problem) -> Limits:
    """The limits of a problem; none where it has none."""
    return problem.limits if isinstance(problem, Limited) else NONE

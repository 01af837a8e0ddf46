"""What a caller asks to load or to become: a subnet by its id, a plan, or a budget; and whether that may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError
from .engine import checked_threads
from .format.manifest import SubnetInfo

if TYPE_CHECKING:
    from .plannable import PlannableSuite
    from .planning.plan import Plan


def choose(
    suite: PlannableSuite,
    choice: Any,
    budget: dict[str, Any],
    *,
    tasks: tuple[str, ...],
    provider: str,
    threads: int | None,
) -> tuple[SubnetInfo, Plan | None]:
    """The subnet that is named, planned, or fits the budget; BudgetError where the request is none of these."""
    if choice is None:
        plan = suite.plan(**budget, tasks=tasks, provider=provider, threads=threads)
        return plan.subnet, plan
    if budget:
        raise BudgetError(f"give a subnet or a budget, not both: {', '.join(budget)}")
    if isinstance(choice, str):
        return suite.subnet(choice), None
    if isinstance(choice, SubnetInfo):
        return _of_this_suite(suite, choice), None
    subnet = getattr(choice, "subnet", None)
    if not isinstance(subnet, SubnetInfo):
        raise BudgetError(f"a subnet is named by its id or a plan, not by a {type(choice).__name__}")
    _check_plan(suite, choice, tasks, provider, threads)
    return _of_this_suite(suite, subnet), choice


def _of_this_suite(suite: PlannableSuite, subnet: SubnetInfo) -> SubnetInfo:
    found = suite.subnet(subnet.id)
    if found != subnet:
        raise BudgetError(f"subnet {subnet.id} is of another suite than {suite.path}: plan on the one that is loaded")
    return found


def _check_plan(suite: PlannableSuite, plan: Plan, tasks: tuple[str, ...], provider: str, threads: int | None) -> None:
    """A plan's numbers hold for what it was made for and for nothing else."""
    words = {
        "tasks": (", ".join(suite.check_tasks(plan.tasks)), ", ".join(tasks)),
        "provider": (plan.provider, provider),
        "threads": (checked_threads(plan.threads), checked_threads(threads)),
    }
    for word, (planned, wanted) in words.items():
        if planned != wanted:
            raise BudgetError(f"the plan is for the {word} {planned}, not {wanted}: plan again with {word}={wanted!r}")

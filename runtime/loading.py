"""`Suite.load`: from a request to a model, with whatever keeps it company (a governor, a build)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError
from .asked import choose
from .color import taker
from .engine import check_provider, check_threads
from .governing.governor import Governor, check_governable
from .meanwhile import load_meanwhile
from .model import Model
from .session import load_subnet
from .tensorrt.settings import ENGINES

if TYPE_CHECKING:
    from .plannable import PlannableSuite


def load_model(
    suite: PlannableSuite,
    choice: Any,
    budget: dict[str, Any],
    *,
    tasks: Iterable[str] | str | None,
    raw: bool,
    provider: str | None,
    threads: int | None,
    color: str,
    build: int,
    govern: bool,
) -> Model:
    """See `Suite.load`. What is wrong with the request is told before anything is built."""
    if choice is None and not budget:
        choice = suite.widest
    # A plan's numbers hold for what it was made for.
    provider = check_provider(provider or getattr(choice, "provider", None) or "cpu")
    threads = check_threads(threads) or getattr(choice, "threads", None)
    names = suite.check_tasks(getattr(choice, "tasks", None) if tasks is None else tasks)
    taker(color, suite.input)
    if build and (budget or raw or govern or provider not in ENGINES):
        raise BudgetError(
            "build=1 is for one subnet, named, with decoded outputs, and provider='tensorrt' or 'tensorrt-rtx': "
            "an engine that is not built has no latency to choose it by"
        )
    info, plan = choose(suite, choice, budget, tasks=names, provider=provider, threads=threads)
    if build:
        return load_meanwhile(suite, info, names, provider, threads, build, color)
    if govern:
        check_governable(plan)
    model = Model(suite, load_subnet(suite, info, names, raw, provider, threads), plan, color)
    if govern and plan is not None:
        model.governor = Governor(model, plan)
    return model

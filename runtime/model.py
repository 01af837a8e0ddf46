"""A loaded subnet to call, and to switch to another while calls go on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError, PliantError
from .engine import checked_threads, release_memory
from .images import as_batch
from .manifest import SubnetInfo
from .session import Outputs, Session, load_subnet

if TYPE_CHECKING:
    from .plan import Plan
    from .suite import Suite

# Words of a budget that a model fixes when it is loaded.
_FIXED = ("tasks", "provider", "threads", "raw")


@dataclass(frozen=True)
class SwitchReport:
    """What a switch did: subnet ids, milliseconds to build and to check the new session, and the plan, if any."""

    source: str
    target: str
    build_ms: float
    witness_ms: float
    total_ms: float
    plan: Plan | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object with `from` and `to`."""
        return {
            "_version": 1,
            "from": self.source,
            "to": self.target,
            "build_ms": self.build_ms,
            "witness_ms": self.witness_ms,
            "total_ms": self.total_ms,
            "why": None if self.plan is None else str(self.plan),
        }

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} in {self.total_ms:.1f} ms"


class Model:
    """A subnet that answers images, and can become another one. Made by `Suite.load`; safe to use from many threads.

    A call holds on to the session that it started with; no lock is held while it runs.
    """

    def __init__(self, suite: Suite, session: Session, plan: Plan | None = None):
        self.suite = suite
        self.plan = plan
        self._input = suite.input
        self._session: Session | None = session
        self._switching = threading.Lock()
        self._handing_over = threading.Lock()

    def __call__(self, images: Any) -> Outputs:
        """uint8 RGB (H, W, 3) or (N, H, W, 3) -> {task: array}, without N for a single image.

        Raises InputError for anything else; the table of outputs is in `runtime.tasks`.
        """
        session = self._session
        if session is None:
            raise PliantError("this model is closed: load another")
        batch, single = as_batch(images, self._input)
        outputs = session.run(batch)
        return {task: array[0] for task, array in outputs.items()} if single else outputs

    @property
    def session(self) -> Session:
        """The session that the next call runs on."""
        session = self._session
        if session is None:
            raise PliantError("this model is closed: load another")
        return session

    @property
    def subnet(self) -> SubnetInfo:
        """The subnet that the next call runs on."""
        return self.session.subnet

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that calls answer."""
        return self.session.tasks

    def switch(self, choice: Plan | SubnetInfo | str | None = None, **budget: Any) -> SwitchReport:
        """Become another subnet: one that is named, planned, or chosen by a budget from what is already measured.

        The new session is built and checked beside the old one, then handed over at once; calls in flight finish on
        the old one, which is freed when the last of them ends. Where that fails, the old one goes on serving.
        """
        start = time.perf_counter()
        with self._switching:
            old = self.session
            info, plan = self._choose(choice, budget, old)
            if info == old.subnet:
                self.plan = plan or self.plan
                return SwitchReport(info.id, info.id, 0.0, 0.0, (time.perf_counter() - start) * 1e3, plan)
            new = load_subnet(self.suite, info, old.tasks, old.raw, old.provider, old.threads)
            with self._handing_over:
                if self._session is None:
                    raise PliantError("this model was closed while it switched")
                self._session, self.plan = new, plan
            source = old.subnet.id
            del old
            release_memory()
        total = (time.perf_counter() - start) * 1e3
        return SwitchReport(source, info.id, new.build_ms, new.witness_ms, total, plan)

    def _choose(self, choice: Any, budget: dict[str, Any], old: Session) -> tuple[SubnetInfo, Plan | None]:
        if choice is None and not budget:
            raise BudgetError("switch to what? Give a subnet id, a plan or a budget such as latency='6 ms'")
        fixed = [word for word in _FIXED if word in budget]
        if fixed:
            raise BudgetError(f"{fixed[0]} cannot change in a switch: load another model")
        if budget.setdefault("measure", "known") not in ("known", "never") and choice is None:
            raise BudgetError("a switch never measures: plan(measure='auto') first, then switch to the plan")
        if choice is not None:
            del budget["measure"]
        return choose(self.suite, choice, budget, tasks=old.tasks, provider=old.provider, threads=old.threads)

    def close(self) -> None:
        """Let go of the session; calls in flight finish. Final; closing twice is fine."""
        with self._handing_over:
            self._session = None
        release_memory()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        session = self._session
        state = "closed" if session is None else f"{session.subnet.id} on {session.provider}"
        return f"<Model {state} of {str(self.suite.path)!r}>"


def choose(
    suite: Suite, choice: Any, budget: dict[str, Any], *, tasks: tuple[str, ...], provider: str, threads: int | None
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


def _of_this_suite(suite: Suite, subnet: SubnetInfo) -> SubnetInfo:
    found = suite.subnet(subnet.id)
    if found != subnet:
        raise BudgetError(f"subnet {subnet.id} is of another suite than {suite.path}: plan on the one that is loaded")
    return found


def _check_plan(suite: Suite, plan: Plan, tasks: tuple[str, ...], provider: str, threads: int | None) -> None:
    """A plan's numbers hold for what it was made for and for nothing else."""
    words = {
        "tasks": (", ".join(suite.check_tasks(plan.tasks)), ", ".join(tasks)),
        "provider": (plan.provider, provider),
        "threads": (checked_threads(plan.threads), checked_threads(threads)),
    }
    for word, (planned, wanted) in words.items():
        if planned != wanted:
            raise BudgetError(f"the plan is for the {word} {planned}, not {wanted}: plan again with {word}={wanted!r}")

"""A loaded subnet to call, and to switch to another while calls go on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError, PliantError
from .asked import choose
from .binding import run_into
from .color import check_color, taker
from .forking import renew_in_children
from .format.manifest import SubnetInfo
from .heap import release_soon
from .images import Prepared
from .session import Session, load_subnet
from .stream import stream
from .witnessing import Outputs

if TYPE_CHECKING:
    from .governing.governor import Governor
    from .plannable import PlannableSuite
    from .planning.plan import Plan

# Words of a budget that a model fixes when it is loaded.
_FIXED = ("tasks", "provider", "threads", "raw", "color")


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

    A call holds on to the session that it started with; no lock is held while it runs. `governor` is that of a model
    loaded with `govern=True`, else None.
    """

    def __init__(self, suite: PlannableSuite, session: Session, plan: Plan | None = None, color: str = "rgb"):
        self.suite = suite
        self.plan = plan
        self._input = suite.input
        self._color = check_color(color)
        self._take = taker(color, suite.input)
        self._session: Session | None = session
        self._inherited: Session | None = None
        self._closed = False
        self._renew_locks()
        self.governor: Governor | None = None
        renew_in_children(self)

    def __call__(self, images: Any, out: Any = None) -> Outputs:
        """uint8 RGB (H, W, 3) or (N, H, W, 3) -> {task: array}, without N for a single image.

        Other colours as `load(color=...)` said. `out`, {task: array} of the shapes and dtypes that would be returned,
        is written into and returned. Raises InputError for anything else; the table of outputs is in
        `runtime.format.tasks`.
        """
        start = time.perf_counter()
        session = self._session
        if session is None:
            session = self._own_session()
        batch, single = self._take(images, self._input)
        outputs = session.run(batch) if out is None else run_into(session, self.suite, batch, single, out)
        self._tell_governor(session, start)
        return {task: array[0] for task, array in outputs.items()} if single and out is None else outputs

    def on_device(self, images: Any) -> dict[str, Any]:
        """Images and outputs that stay on the GPU, by DLPack: see `runtime.on_device`."""
        from .on_device import run_on_device

        if self._color != "rgb":
            raise BudgetError(f"images that stay on their device are RGB: this model was loaded with {self._color}")
        start = time.perf_counter()
        session = self.session
        outputs = run_on_device(session, images, self._input)
        self._tell_governor(session, start)
        return outputs

    def _tell_governor(self, session: Session, start: float) -> None:
        """That a call which began then has ended."""
        if self.governor is not None:
            self.governor.watch((session.subnet.id, start, time.perf_counter()))

    def stream(self, frames: Iterable[Any], *, ahead: int = 0, out: Any = None) -> Generator[Outputs, None, None]:
        """Outputs of one frame after the other, as calls would give them; a switch holds from the next frame on.

        Each frame is taken when its outputs are asked for. With `ahead`, a thread takes and converts so many frames
        meanwhile: for sources that wait or decode, where a processor is free. An error of the source or of a frame is
        raised in the place of that frame's outputs and ends the stream; closing the stream waits for a frame that is
        being taken. With `out`, outputs hold until the next ones are asked for.
        """
        return stream(self, lambda frame: Prepared(*self._take(frame, self._input)), frames, ahead, out)

    @property
    def session(self) -> Session:
        """The session that the next call runs on."""
        return self._session or self._own_session()

    def _own_session(self) -> Session:
        """In a forked child a session like the one that the parent has; PliantError where the model is closed."""
        with self._renewing:
            session, old = self._session, self._inherited
            if session is None:
                if old is None:
                    raise PliantError("this model is closed: load another")
                session = load_subnet(self.suite, old.subnet, old.tasks, old.raw, old.provider, old.threads)
                self._serve(session, self.plan, "was loaded anew")
            return session

    def _serve(self, session: Session, plan: Plan | None, did: str) -> None:
        """Have the next call run on `session`; PliantError, with what it did, where the model is closed.

        Looked at afterwards, so that closing needs no lock: a signal's handler closes in the midst of anything.
        """
        self._session, self._inherited, self.plan = session, None, plan
        if self._closed:
            self._session = None
            raise PliantError(f"this model was closed while it {did}")

    def _renew_locks(self) -> None:
        # A signal's handler calls the model, or switches it, in the thread that holds them.
        self._switching, self._renewing = threading.RLock(), threading.RLock()

    def _after_fork(self) -> Any:
        """Give up the session, which the next call builds again; freeing it would wait for threads that are gone."""
        self._renew_locks()
        self._session, self._inherited = None, self._session or self._inherited
        return self._inherited and self._inherited.engine

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

        The new session is built and checked beside the old one (so it needs memory for both), then handed over at once;
        calls in flight finish on the old one, which is freed when the last of them ends. Where that fails, the
        old one goes on serving. A governor takes the new budget as its own, and rests after a switch without a latency.
        """
        if self.governor is not None:
            return self.governor.obey(lambda: self._become(choice, **budget))
        return self._become(choice, **budget)

    def _become(self, choice: Plan | SubnetInfo | str | None = None, **budget: Any) -> SwitchReport:
        """`switch`, without telling the governor."""
        start = time.perf_counter()
        with self._switching:
            old = self.session
            info, plan = self._choose(choice, budget, old)
            if info == old.subnet:
                self.plan = plan or self.plan
                return SwitchReport(info.id, info.id, 0.0, 0.0, (time.perf_counter() - start) * 1e3, plan)
            new = load_subnet(self.suite, info, old.tasks, old.raw, old.provider, old.threads)
            if self._session is not None and self._session is not old:
                raise PliantError(f"a signal's handler had this model switch to {self.subnet.id} meanwhile: that holds")
            self._serve(new, plan, "switched")
            source = old.subnet.id
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

    def _hand_over(self, session: Session, *, instead_of: SubnetInfo) -> bool:
        """Have the next call run on `session`, if calls still run on the subnet `instead_of`; whether that is so.

        What one engine gave way to another for (`meanwhile`); to become another subnet is `switch`.
        """
        with self._switching:
            old = self._session
            if old is None or old.subnet != instead_of:
                return False
            with contextlib.suppress(PliantError):
                self._serve(session, self.plan, "changed engines")
        release_soon()
        return not self._closed

    @property
    def closed(self) -> bool:
        """Whether it answers no more."""
        return self._closed

    def close(self) -> None:
        """Let go of the session; calls in flight finish. Final; closing twice is fine."""
        self._closed = True
        self._session = self._inherited = None
        if self.governor is not None:
            self.governor.close()
        release_soon()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        session = self._session or self._inherited
        state = "closed" if session is None else f"{session.subnet.id} on {session.provider}"
        return f"<Model {state} of {str(self.suite.path)!r}>"

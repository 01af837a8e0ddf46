"""`run_search`: from a checkpoint to a front, its log, its plot and its page."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices.errors import BudgetError, DataError
from ..models.cost import Cost
from ..models.space import SubnetConfig
from ..quantize.assignment import FP32, policy_of
from ..quantize.policy import Policy
from ..training.checkpoints.checkpoint import Checkpoint, load_checkpoint
from ..training.evaluation.evaluator import Encoder, Evaluator, Table
from ..training.prepare import choose_device
from . import FRONT_SIZE
from .algorithms.ecmt import Ecmt
from .algorithms.factorized import Factorized
from .algorithms.interface import Algorithm, Problem, Progress, TableSource
from .algorithms.joint import Joint
from .confirm import confirm, learn, within_memory
from .floors import NONE, Floors
from .front.account import accounted
from .front.assemble import make_front
from .front.front import Front
from .front.provenance import Provenance
from .latency.clock import Clock, ThisMachine
from .latency.model import LatencyModel
from .limits import UNLIMITED, Limits
from .log import EvaluationLog
from .places import check_front_path, log_path, page_path, plot_path, stairs_path
from .preference import Preference, standard_preferences
from .quality.data import SearchData, open_search_data
from .quality.identity import batches_digest, supernet_digest
from .quality.source import ByPrecision, EncoderSource
from .run_checks import check_clock, check_counts, check_nested, limited, told
from .sizes import PrecisionCosts
from .wording import Note, unheard

if TYPE_CHECKING:
    from .quality.integers import IntegerEvaluator

ALGORITHMS: dict[str, Algorithm] = {algorithm.name: algorithm for algorithm in (Factorized(), Ecmt(), Joint())}
DEFAULT = Factorized().name
NO_LOSS = 0.01
"""What int8 may cost a task before a mixture with fp32 is searched too, where the recipe sets no limit."""


def run_search(
    checkpoint: str | Path | Checkpoint,
    *,
    algorithm: str = DEFAULT,
    preferences: Iterable[Mapping[str, float]] | None = None,
    evaluations: int | None = None,
    front_size: int | None = None,
    images: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    data: SearchData | None = None,
    data_root: Path | None = None,
    clock: Clock | None = None,
    floors: Floors = NONE,
    limits: Limits = UNLIMITED,
    note: Note = unheard,
    cluster: str | None = None,
    int8: bool = False,
) -> Front:
    """Search a trained supernet; what is left out is as the checkpoint's recipe says.

    `preferences` (task weights) are searched for beside the standard ones, `evaluations` bounds the encoders truly
    evaluated, `front_size` the subnets returned, `images` the validation images. With `out` (FRONT.json) the front is
    written there, its plot to FRONT.png, its page to FRONT.html, and evaluations to FRONT.log.jsonl as they are made;
    `resume` goes on from that log, without it a log that is there is refused. With a `clock` the search is for latency
    on its device instead of multiply-adds, the front's own latencies are measured, or marked as estimated, and the
    staircase goes to FRONT-latency.png; `floors` are limits of quality, `limits` of cost. `note` is told in a line what
    there is to know beside the front. `cluster` is the address of a Ray cluster that evaluates in fp32
    (quality/cluster.py). With `int8`, which needs a clock that measures, widths and precision are searched together.

    Raises CheckpointError (no checkpoint, one of a separate network, or a log that is there or another's), DataError,
    BudgetError (a preference for no task, a count that leaves nothing, a front that its plot or page would overwrite).
    """
    if out is not None:
        check_front_path(out)
    check_counts(evaluations, front_size, images)
    check_clock(int8, limits, clock, algorithm)
    checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    check_nested(checkpoint)
    chosen = _algorithm(algorithm)
    floors.check(checkpoint.space.tasks)
    given = checkpoint.recipe.search.preferences if preferences is None else tuple(preferences)
    wanted = standard_preferences(checkpoint.space.tasks, given)
    data = data or open_search_data(checkpoint, images, data_root, int8=int8)
    digest = supernet_digest(checkpoint.supernet)
    if cluster is not None:
        from .quality.cluster import check_cluster

        check_cluster(cluster)
    log = _open_log(out, digest, data, resume)
    if log is not None and resume:
        note(log.held())
    if log is not None and isinstance(clock, ThisMachine):
        clock.remember(log)
    try:
        evaluator = _evaluator(checkpoint, data, log)
        policies, integers = _integers(checkpoint, evaluator, data, log, note) if int8 else ({}, {})
        latency = {} if clock is None else learn(clock, checkpoint.space, checkpoint.tasks, note, policies, limits)
        with _source(evaluator, data, cluster) as source:
            tables = ByPrecision({FP32: source, **integers})
            cost = PrecisionCosts(checkpoint.supernet, {name: each.lowered for name, each in integers.items()})
            problem = _problem(checkpoint, cost, tables, wanted, evaluations, seed, progress)
            problem = replace(problem, latency=latency or None, floors=floors, parts=tuple(latency) or (FP32,))
            problem = limited(problem, limits, clock)
            found = chosen.search(problem)
        budgets, origin = checkpoint.recipe.search.budgets, _origin(algorithm, digest, data, problem)
        size = FRONT_SIZE if front_size is None else front_size

        def make(gone: Collection[SubnetConfig]) -> Front:
            return make_front(problem, found.without(gone), budgets, size, origin)

        if clock is None:
            front = make(())
        else:
            # Memory first: what takes too much of it is not what another one is no faster than.
            lean = within_memory(make, clock, limits, note)
            front = accounted(confirm(lean, clock, latency, note, limits), found)
        for line in told(problem, found):
            note(line)
        # After measuring, which may leave out all subnets of a precision.
        named = sorted({entry.config.precision for entry in front.entries} - {FP32})
        front = replace(front, policies={each: policy_of(each, checkpoint.space.tasks, policies) for each in named})
    finally:
        if log is not None:
            log.close()
    if out is not None:
        write_front(front, Path(out))
        if clock is not None and latency:
            _write_stairs(latency[FP32], checkpoint, clock.where, Path(out))
    return front


def _algorithm(name: str) -> Algorithm:
    if name not in ALGORITHMS:
        raise BudgetError(f"there is no search algorithm {name!r}: choose one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]


def _open_log(out: str | Path | None, digest: str, data: SearchData, resume: bool) -> EvaluationLog | None:
    if out is None:
        return None
    identity = {"supernet": digest, "images": batches_digest(data.recalibration, data.validation)}
    return EvaluationLog(log_path(out), identity, resume=resume)


def _evaluator(checkpoint: Checkpoint, data: SearchData, log: EvaluationLog | None) -> Evaluator:
    """Tables of the checkpoint's supernet; those of the log are known, new ones are added to it."""

    def keep(encoder: Encoder, table: Table) -> None:
        for task, row in table.items():
            if any(map(math.isnan, row.values())):
                raise DataError(
                    f"no validation image is labelled for {task!r}: use more (--set search.validation_images)"
                )
        if log is not None:
            log.append(encoder, table)

    supernet = checkpoint.supernet.to(choose_device(checkpoint.recipe.training.device))
    known = log.entries if log is not None else ()
    return Evaluator(supernet, data.recalibration, data.validation, known=known, keep=keep)


def _integers(
    checkpoint: Checkpoint, evaluator: Evaluator, data: SearchData, log: EvaluationLog | None, note: Note
) -> tuple[dict[str, Policy], dict[str, IntegerEvaluator]]:
    """Policies of low precision, and where the quality of subnets in each comes from."""
    from .quality.integers import Images, integer_sources

    how = checkpoint.recipe.quantize
    images = Images.of(data.calibration, data.validation)
    most = NO_LOSS if how.max_drop is None else how.max_drop
    return integer_sources(evaluator, images, most, how.evaluations, log, note)


def _source(evaluator: Evaluator, data: SearchData, cluster: str | None) -> AbstractContextManager[EncoderSource]:
    if cluster is None:
        return nullcontext(evaluator)
    from .quality.cluster import on_cluster

    return on_cluster(cluster, evaluator, data.recalibration, data.validation)


def _problem(
    checkpoint: Checkpoint,
    cost: Callable[[SubnetConfig], Cost],
    source: TableSource,
    preferences: tuple[Preference, ...],
    evaluations: int | None,
    seed: int | None,
    progress: Progress | None,
) -> Problem:
    settings = checkpoint.recipe.search
    return Problem(
        checkpoint.space,
        checkpoint.tasks,
        cost,
        source,
        preferences,
        settings.evaluations if evaluations is None else evaluations,
        settings.population,
        settings.seed if seed is None else seed,
        progress,
    )


def _origin(algorithm: str, digest: str, data: SearchData, problem: Problem) -> Provenance:
    """Provenance as far as it is known before the result is."""
    images, recalibration = (sum(len(batch.images) for batch in each) for each in (data.validation, data.recalibration))
    return Provenance(algorithm, digest, data.name, data.split, images, recalibration, problem.seed, 0, 0, 0.0, {})


def _write_stairs(latency: LatencyModel, checkpoint: Checkpoint, where: str, out: Path) -> None:
    from .front.staircase import plot_stairs, stairs

    plot_stairs(stairs(latency, checkpoint.space, checkpoint.tasks), where, stairs_path(out))


def write_front(front: Front, out: Path) -> None:
    """Write FRONT.json, and beside it the plot and the page."""
    from .front.page import write_page
    from .front.plot import plot_front

    front.save(out)
    plot_front(front, plot_path(out))
    write_page(front, page_path(out))

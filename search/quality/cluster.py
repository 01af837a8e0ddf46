"""True evaluations on a Ray cluster: those that a search wants at once are measured side by side, on any machine.

The same search, the same front: which encoders are wanted depends on no cluster, only when their tables are ready does.
Each evaluation is a task of one core, which Ray runs again elsewhere when its worker dies; what was measured is kept
here, in the log, as it is taken. Workers need the same pliant[build,ray] that this machine has.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...devices.errors import EngineUnavailable, PliantError
from ...models.supernet import Supernet
from ...training.data.batches import Batch
from ...training.evaluation.evaluator import Demand, Encoder, Evaluator, Table, Wanted

LOCAL = "local"
PATIENCE = 5.0
"""Seconds that a cluster has to accept a connection."""
RETRIES = 5
"""Times that an evaluation is begun anew after its worker died."""


@contextmanager
def on_cluster(
    address: str, evaluator: Evaluator, recalibration: Sequence[Batch], validation: Sequence[Batch]
) -> Iterator[ClusterSource]:
    """A source of tables on the cluster at `address` (host:port, `auto`, or `local` to start one here).

    `evaluator` knows and keeps the tables; what it would measure is measured there, on the same images.
    EngineUnavailable without Ray, PliantError where no cluster answers.
    """
    ray = check_cluster(address)
    started = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", **started)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _silent(address, error) from error
    try:
        yield ClusterSource(ray, evaluator, recalibration, validation)
    finally:
        ray.shutdown()


class ClusterSource:
    """Tables of one evaluator's supernet, measured by a cluster."""

    def __init__(self, ray: Any, evaluator: Evaluator, recalibration: Sequence[Batch], validation: Sequence[Batch]):
        self._ray, self._evaluator = ray, evaluator
        self._task = ray.remote(num_cpus=1, max_retries=RETRIES)(measured)
        self._given = [ray.put(each) for each in (evaluator.supernet.cpu(), tuple(recalibration), tuple(validation))]

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        """A table for each, in this order; all that are not known are begun at once."""
        begun = {
            index: self._task.remote(*self._given, encoder, demand)
            for index, (encoder, demand) in enumerate(wanted)
            if not self._evaluator.knows(encoder, demand)
        }
        for index, (encoder, demand) in enumerate(wanted):
            if index in begun:
                self._evaluator.learn(encoder, self._taken(begun[index]))
            yield self._evaluator.table(encoder, demand)

    def _taken(self, reference: Any) -> Table:
        errors = self._ray.exceptions
        try:
            table: Table = self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, PliantError):
                raise error.cause from error
            raise PliantError(f"an evaluation failed on the cluster: {_line(error.cause)}") from error
        except errors.RayError as error:
            raise PliantError(
                f"the cluster lost an evaluation {RETRIES + 1} times, or is gone ({_line(error)}): "
                "what was measured is kept, go on with --resume"
            ) from error
        return table


def measured(
    supernet: Supernet, recalibration: Sequence[Batch], validation: Sequence[Batch], encoder: Encoder, demand: Demand
) -> Table:
    """What a worker does: one table."""
    return Evaluator(supernet, recalibration, validation).table(encoder, demand)


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise EngineUnavailable("--ray needs Ray: in a checkout of pliant, pip install '.[ray]'") from error
    return ray


def check_cluster(address: str) -> Any:
    """Find out in seconds that Ray or the cluster is not there, which Ray itself takes minutes for; gives Ray."""
    ray = _ray()
    host, colon, port = address.rpartition(":")
    if not colon:
        return ray
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _silent(address, error) from error
    return ray


def _silent(address: str, error: Exception) -> PliantError:
    return PliantError(
        f"no Ray cluster answers at {address!r} ({_line(error)}): start one with `ray start --head`, "
        f"or give --ray {LOCAL}"
    )


def _line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

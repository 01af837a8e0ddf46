"""Training in several processes: who takes part, and that all of them end when one does.

torchrun starts the processes, on one machine or several, and tells each its place in the environment: RANK, WORLD_SIZE,
LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Each has a share of every batch (models/reduction.py) and otherwise does the
same; the one of rank 0, which leads, alone writes. Tensors on CPUs are exchanged by gloo, on GPUs by nccl.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from ..devices.errors import TrainingError
from ..models.reduction import HERE, AllReduce, Reduction, exchanging
from .ending import EndedElsewhere, Ending

__all__ = ["EndedElsewhere", "Ranks", "joined", "place"]

JOINING = timedelta(minutes=10)
"""How long the first process waits for the last one to start."""
WAITING = timedelta(hours=6)
"""How long a process waits for the others in an exchange: for a machine that lost its power says nothing. As long, for
one that judges a subnet more, or renders, or sorts channels, keeps the others waiting too."""
_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The processes that train together, as one of them sees it: its `rank` of `world`, `local` on its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0
    batch: Reduction = HERE

    @property
    def leads(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def same(self, make: Callable[[], T]) -> T:
        """What `make` gives in the leading process, in all of them; only there it is called."""
        if self.world == 1:
            return make()
        found: list[Any] = [make() if self.leads else None]
        with exchanging():
            dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
        return found[0]  # type: ignore[no-any-return]

    def gathered(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        with exchanging():
            dist.all_gather_object(found, value)
        return found

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process; none goes on before all have been asked."""
        if self.world == 1:
            return flag
        count = torch.tensor([int(flag)])
        with exchanging():
            dist.all_reduce(count)
        return bool(count.item())


def place() -> Ranks:
    """This process's place as the environment tells it, not yet joined; TrainingError where that makes no sense."""
    count = os.environ.get("WORLD_SIZE", "1")
    if count.strip() == "1":
        return Ranks()
    missing = [name for name in _NAMES if name not in os.environ]
    if missing:
        raise TrainingError(f"WORLD_SIZE is {count}, but {', '.join(missing)} is not set: start training with torchrun")
    rank, world, local = (_number(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not 0 <= rank < world:
        raise TrainingError(f"RANK={rank} is none of WORLD_SIZE={world} processes: start training with torchrun")
    return Ranks(rank, world, local, AllReduce())


def _number(name: str) -> int:
    text = os.environ.get(name, "0")
    if not text.strip().isdecimal():
        raise TrainingError(f"{name}={text!r} in the environment is no number: start training with torchrun")
    return int(text)


@contextmanager
def joined() -> Iterator[Ranks]:
    """All processes that train together, while they do; alone where the environment tells of no others.

    An error in one ends all: there it is raised as it is, in the others as EndedElsewhere, once it is told. Raises
    TrainingError where the processes do not find each other.
    """
    ranks = place()
    if ranks.world == 1:
        yield ranks
        return
    store = _meet(ranks)
    ending = Ending(store, ranks.rank, ranks.world)
    try:
        yield ranks
        ranks.any(False)  # the leading process may still fail to write while the others are done
    except BaseException as error:
        elsewhere = ending.first(error)
        ending.close(said_here=elsewhere is None)
        # Whoever waits for this process in an exchange learns from its closed connections that it is gone.
        dist.destroy_process_group()
        if elsewhere is None:
            raise
        raise elsewhere from error
    ending.close()
    dist.destroy_process_group()


def _meet(ranks: Ranks) -> Store:
    if not dist.is_available():
        raise TrainingError("this torch cannot train in several processes: install one with torch.distributed")
    if dist.is_initialized():
        raise TrainingError("torch.distributed is initialised already: leave that to the training")
    if torch.cuda.is_available():
        torch.cuda.set_device(ranks.local % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, _, _ = next(iter(rendezvous("env://", timeout=JOINING)))
        own = PrefixStore("pliant", store)
        dist.init_process_group(backend, store=own, rank=ranks.rank, world_size=ranks.world, timeout=WAITING)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise TrainingError(
            f"the {ranks.world} processes did not find each other at {where}: {' '.join(str(error).split())[:200]}; "
            "start all of them, each able to reach that address"
        ) from error
    return own

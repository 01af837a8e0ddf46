"""Reading and changing pictures while a step runs: by one thread, so that they come in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from .batches import Batch


def ahead(batches: Iterable[Batch], depth: int = 2) -> Iterator[Batch]:
    """The same batches, decoded by one other thread up to `depth` ahead."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        pending = deque(pool.submit(next, iterator, None) for _ in range(depth))
        while (batch := pending.popleft().result()) is not None:
            pending.append(pool.submit(next, iterator, None))
            yield batch

"""The `scenes` data set: pictures rendered when they are asked for, then kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from ....devices.errors import DataError
from ....runtime.format.tasks import Task
from ..files import check_names
from ..sample import Sample
from .picture import SPLITS, TASKS, render
from .store import CHUNK, chunk_path, decode, pack, read_chunk, unpack, write_chunk
from .worker import Worker, render_chunk

Progress = Callable[[int, int], None]
COUNTS = {"train": 2000, "validation": 200, "test": 200}
SIZE = (96, 128)
_KEEP_BYTES = 4 << 30
_BYTES_PER_PIXEL = 13


class Scenes:
    """`count` pictures of (height, width) pixels; picture i depends on seed, split and i alone.

    Samples are rendered one at a time when asked for, or all at once by `prepare`. They are kept
    in memory (up to 4 GiB; those beyond are rendered each time) and, by `prepare`, in the user's cache folder. Depth is
    exact to half a millimetre, normals to 0.001. Raises DataError for an unknown split, task, size or count.
    """

    name = "scenes"

    def __init__(
        self,
        split: str,
        count: int | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
        tasks: tuple[str, ...] | None = None,
        disk: bool = True,
    ):
        check_names("scenes", "split", (split,), SPLITS)
        check_names("scenes", "task", tasks, tuple(task.name for task in TASKS))
        if count is not None and count < 1:
            raise DataError(f"scenes cannot give {count} pictures: ask for one or more")
        if seed < 0:
            raise DataError(f"the seed {seed} of scenes is negative: choose 0 or more")
        self.tasks: tuple[Task, ...] = tuple(t for t in TASKS if tasks is None or t.name in tasks)
        self.split, self.seed = split, seed
        self.size = size or SIZE
        self._count = count or COUNTS[split]
        self._disk = disk
        self._kept: dict[int, Sample] = {}
        self._sought: set[int] = set()
        self._room = _KEEP_BYTES // (_BYTES_PER_PIXEL * self.size[0] * self.size[1])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._count:
            raise IndexError(f"sample {index} of {self._count}")
        sample = self._kept.get(index) or self._from_disk(index)
        if sample is None:
            sample = pack(render(self.seed, index, self.size, self.split))
            self._keep(index, [sample])
        return unpack(sample, {task.name for task in self.tasks})

    def prepare(self, workers: int = 2, progress: Progress | None = None) -> None:
        """Render all samples, in `workers` processes, and store them for the next time.

        `progress(done, total)` is called after each chunk of pictures, from this thread.
        """
        done = 0
        missing: list[int] = []
        for chunk in range(-(-self._count // CHUNK)):
            if self._ready(chunk):
                done += self._length(chunk)
            else:
                missing.append(chunk)
        if progress:
            progress(done, self._count)
        for chunk in self._render_chunks(missing, max(1, min(workers, len(missing)))):
            done += self._length(chunk)
            if progress:
                progress(done, self._count)

    def _length(self, chunk: int) -> int:
        return min(CHUNK, self._count - chunk * CHUNK)

    def _ready(self, chunk: int) -> bool:
        start = chunk * CHUNK
        kept = all(index in self._kept for index in range(start, start + self._length(chunk)))
        return kept or self._load(chunk)

    def _load(self, chunk: int) -> bool:
        """Take a chunk from disk, if it is there."""
        self._sought.add(chunk)
        if not self._disk:
            return False
        path = chunk_path(self.seed, self.split, self.size, chunk)
        samples = read_chunk(path, self.size, self._length(chunk))
        if samples is None:
            return False
        self._keep(chunk * CHUNK, samples[: self._length(chunk)])
        return True

    def _from_disk(self, index: int) -> Sample | None:
        chunk = index // CHUNK
        if chunk not in self._sought:
            self._load(chunk)
        return self._kept.get(index)

    def _keep(self, start: int, samples: list[Sample]) -> None:
        for index, sample in enumerate(samples, start):
            if len(self._kept) < self._room:
                self._kept[index] = sample

    def _render_chunks(self, chunks: list[int], workers: int) -> Iterator[int]:
        """Render chunks on all workers; give each when it is stored, in order."""
        if not chunks:
            return
        with ExitStack() as stack:
            idle: SimpleQueue[Worker] = SimpleQueue()
            pool = stack.enter_context(ThreadPoolExecutor(workers))
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            # Left first: a worker that is killed ends the thread that waits for it.
            for _ in range(workers if workers > 1 else 0):
                idle.put(stack.enter_context(Worker()))
            for chunk, data in zip(chunks, pool.map(lambda c: self._render(c, idle), chunks), strict=True):
                samples = decode(data, self.size)
                if samples is None:
                    raise DataError("a rendered chunk of scenes came back damaged: try again")
                if self._disk:
                    write_chunk(chunk_path(self.seed, self.split, self.size, chunk), data)
                self._keep(chunk * CHUNK, samples)
                yield chunk

    def _render(self, chunk: int, idle: SimpleQueue[Worker]) -> bytes:
        start = chunk * CHUNK
        place = (self.seed, self.split, self.size, start, start + self._length(chunk))
        if idle.empty():
            return render_chunk(*place)
        worker = idle.get()
        try:
            # A process that died (of a full memory, say) is no reason to fail: render here.
            return worker.render(*place) or render_chunk(*place)
        finally:
            idle.put(worker)

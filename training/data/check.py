"""What is missing or wrong in a data set: every picture and every label is read once, and each fault is one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...devices.errors import DataError
from . import open_data
from .depths import Depths
from .file_dataset import FileDataset
from .folder import splits_of
from .folder_form import read_form
from .sample import Dataset, Sample
from .strays import strays
from .values import wrong_values

Progress = Callable[[str, int, int], None]
SPLITS = ("train", "validation", "test")
MOST = 10_000


@dataclass
class SplitFound:
    """How many samples a split has, and for how many of them each task is labelled (as far as they can be read)."""

    data: str
    split: str
    samples: int = 0
    labelled: dict[str, int] = field(default_factory=dict)


@dataclass
class Found:
    """What a check finds: the splits, the first `MOST` faults, each a whole line, and how many there are in all.

    The same of `notes`: what is odd and worth a look, but may be meant.
    """

    splits: list[SplitFound] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    count: int = 0
    notes: list[str] = field(default_factory=list)
    noted: int = 0
    _said: set[int] = field(default_factory=set)

    @property
    def ok(self) -> bool:
        """Whether nothing is missing or wrong."""
        return self.count == 0

    def add(self, line: str) -> None:
        """Take a fault, once: files that several splits share are read for each."""
        self.count += self._take(line, self.faults)

    def note(self, line: str) -> None:
        """Take a note, once."""
        self.noted += self._take(line, self.notes)

    def _take(self, line: str, kept: list[str]) -> bool:
        key = hash(line)
        if key in self._said:
            return False
        self._said.add(key)
        if len(kept) < MOST:
            kept.append(line)
        return True


@dataclass(frozen=True)
class Source:
    """A data set to check; the arguments are those of `open_data`, `counts` by split.

    Without `splits` it is the whole data set: every split, and of a folder the labels that belong to no picture. With
    `one_size` pictures of several sizes are a fault, as they are for a training that says no size. A `part` is judged
    with the others of its mixture, which may have the labels that it lacks for validation.
    """

    name: str
    root: Path | None = None
    size: tuple[int, int] | None = None
    tasks: tuple[str, ...] | None = None
    counts: Mapping[str, int | None] = field(default_factory=dict)
    splits: tuple[str, ...] | None = None
    one_size: bool = False
    part: bool = False


def check_data(found: Found, source: Source, progress: Progress | None = None) -> None:
    """Read every sample of a data set and add what is wrong to `found`; `progress` is told (what, done, total)."""
    sizes: Counter[tuple[int, ...]] = Counter()
    split_of: dict[str, str] = {}
    for split in source.splits or _splits(found, source):
        data = _opened(found, source, split)
        if data is None:
            continue
        row = SplitFound(data.name, split, len(data), {task.name: 0 for task in data.tasks})
        found.splits.append(row)
        if source.name == "scenes":
            # Rendered when they are asked for: there is no file that could be wrong.
            row.labelled = {task.name: len(data) for task in data.tasks}
            continue
        depths = Depths(data.tasks, _units(source))
        for index, sample in _samples(found, data, f"{data.name} {split}", progress):
            for task, said in depths.look(sample.targets).items():
                found.note(f"{_file_of(data, index, task)} {said}")
            sizes[sample.image.shape[:2]] += 1
            row.labelled.update({task: row.labelled[task] + 1 for task in sample.targets})
        for said in depths.faults():
            found.add(f"{_place_of(data)}: {split}: {said}")
        if isinstance(data, FileDataset):
            _check_names(found, data, split, split_of)
            _check_labelled(found, data, split, source.part)
    if source.one_size and source.size is None and len(sizes) > 1:
        found.add(_several(source.name, sizes))
    if source.splits is None and source.name == "folder" and source.root is not None:
        _check_strays(found, source.root)


def _opened(found: Found, source: Source, split: str) -> Dataset | None:
    limit = source.counts.get(split)
    try:
        return open_data(
            source.name, split, root=source.root, size=source.size, count=limit, tasks=source.tasks, incomplete=True
        )
    except DataError as error:
        found.add(str(error))
        return None


def _units(source: Source) -> dict[str, float]:
    """Metres of a stored 1, by task."""
    if source.name != "folder" or source.root is None:
        return {}
    return {name: form.unit for name, form in read_form(source.root).tasks.items()}


def _place_of(data: Dataset) -> object:
    return data.place if isinstance(data, FileDataset) else data.name


def _file_of(data: Dataset, index: int, task: str) -> str:
    """What a line calls the label of a sample: its file, where it has one."""
    return (
        str(data.label_file(index, task)) if isinstance(data, FileDataset) else f"{data.name}: picture {index}: {task}"
    )


def _several(name: str, sizes: Counter[tuple[int, ...]]) -> str:
    said = ", ".join(f"{number} of {height}x{width}" for (height, width), number in sizes.most_common(3))
    more = f" and {len(sizes) - 3} more sizes" if len(sizes) > 3 else ""
    return f"the pictures of {name} have several sizes ({said}{more}): say data.size, and all are brought to it"


def _splits(found: Found, source: Source) -> Sequence[str]:
    if source.name != "folder" or source.root is None:
        return SPLITS
    try:
        return splits_of(read_form(source.root))
    except DataError as error:
        found.add(str(error))
        return ()


def _samples(found: Found, data: Dataset, what: str, progress: Progress | None) -> Iterator[tuple[int, Sample]]:
    """What can be read, each with its index; the faults are taken down on the way."""
    for index in range(len(data)):
        sample, faults = _inspected(data, index)
        for line in faults:
            found.add(line)
        if sample is not None:
            yield index, sample
        if progress is not None:
            progress(f"checking {what}", index + 1, len(data))


def _inspected(data: Dataset, index: int) -> tuple[Sample | None, list[str]]:
    if isinstance(data, FileDataset):
        sample, faults = data.inspect(index)
        if sample is not None and not sample.targets and not faults and not data.complete:
            return sample, [
                f"{data.place}: {data.stems[index]!r} has no label for any task: put one there or take it out"
            ]
        return sample, [fault.what for fault in faults]
    try:
        sample = data[index]
    except DataError as error:
        return None, [str(error)]
    tasks = {task.name: task for task in data.tasks}
    wrong = {name: wrong_values(tasks[name], target) for name, target in sample.targets.items()}
    return sample, [f"{data.name}: picture {index}: {name} {said}" for name, said in wrong.items() if said]


def _check_names(found: Found, data: FileDataset, split: str, split_of: dict[str, str]) -> None:
    """A picture in two splits makes quality look better than it is."""
    for stem in data.stems:
        if stem in split_of:
            found.add(f"{data.place}: {stem!r} is in {split_of[stem]} and in {split}: keep it in one list")
        split_of.setdefault(stem, split)


def unjudged(place: object, task: str) -> str:
    """The fault of a task that no picture for validation is labelled for."""
    return (
        f"{place}: no picture for validation is labelled for {task}, which would have no quality: label some, put "
        "labelled ones there, or leave the task out (data.tasks)"
    )


def _check_labelled(found: Found, data: FileDataset, split: str, part: bool) -> None:
    """A task without any label in `train`, a wrong pattern rather than a data set with gaps, or in `validation`."""
    if split == "train" and not data.complete:
        try:
            data.require_labels()
        except DataError as error:
            found.add(str(error))
    if split == "validation" and not data.complete and not part:
        for task in data.unlabelled():
            found.add(unjudged(data.place, task))


def _check_strays(found: Found, folder: Path) -> None:
    try:
        for line in strays(folder, read_form(folder)):
            found.add(line)
    except DataError as error:
        found.add(str(error))

"""What an engine answers to the suite's own image, beside what it must: the witness of each subnet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..devices.errors import PliantError, SuiteError, check_memory
from ..devices.words import one_line
from .format.manifest import SubnetInfo
from .format.record import Record
from .format.witness import Witness, compare

if TYPE_CHECKING:
    from .format.suite_file import SuiteFile

Outputs = dict[str, np.ndarray[Any, Any]]


def check_witness(suite: SuiteFile, info: SubnetInfo, engine: Any, tasks: tuple[str, ...], what: str) -> float:
    """The largest relative error of what an engine answers; SuiteError where that is too much for its subnet."""
    witnesses = read_witnesses(suite, suite.record(info), tasks)
    return compare_witness(suite, info, engine, witnesses, tasks, what)


def compare_witness(
    suite: SuiteFile, info: SubnetInfo, engine: Any, witnesses: list[Witness], tasks: tuple[str, ...], what: str
) -> float:
    """The same, of witnesses that are read already."""
    outputs = answer(engine, list(tasks), suite.witness_input(), what)
    return compare(witnesses, outputs, suite.tolerance(info), what)


def read_witnesses(suite: SuiteFile, record: Record, tasks: tuple[str, ...]) -> list[Witness]:
    """The witness of each task, from the subnet's record and the suite's indices."""
    try:
        return [
            Witness(
                suite.tasks[task], suite.witness_indices(task), record.witness[task], record.witness[f"{task}/summary"]
            )
            for task in tasks
        ]
    except KeyError as error:
        raise SuiteError(f"{suite.path} is damaged: the witness {error} is missing") from None


def answer(engine: Any, names: list[str], image: np.ndarray[Any, Any], what: str) -> Outputs:
    """Outputs of one image by name; SuiteError where the engine fails, MemoryError where it lacks memory."""
    try:
        return dict(zip(names, engine.run(names, {"images": image}), strict=True))
    except PliantError:
        raise
    except Exception as error:
        check_memory(error)
        raise SuiteError(f"{what} cannot be run: {one_line(error)}") from error

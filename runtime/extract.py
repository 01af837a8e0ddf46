"""One subnet as a plain ONNX model for anybody's engine: a graph and one data file, made without the onnx package."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..devices.errors import InputError
from ..devices.writing import beside, onto_disk
from .format.digests import check_weights
from .format.manifest import SubnetInfo
from .format.suite_file import SuiteFile
from .format.weights import read_arrays
from .interface import check_interface

# What engines that map the data file expect of offsets.
_ALIGNMENT = 4096


def extract_subnet_file(
    suite: SuiteFile,
    subnet: SubnetInfo | str,
    out: str | os.PathLike[str],
    *,
    target: str = "onnxruntime",
    tasks: Iterable[str] | str | None = None,
    raw: bool = False,
) -> tuple[Path, Path]:
    """Write `out` (an .onnx file) and `out`.data; returns both paths.

    Outputs are the decoded ones of `tasks` (None: all), or their logits. Neither file is seen half written. The
    digests of all weights that go into them are checked.
    Raises SuiteError (no graph for the target, a damaged suite), BudgetError, InputError (cannot write there, or it
    is the suite itself).
    """
    info = suite.subnet(subnet) if isinstance(subnet, str) else subnet
    names = suite.check_tasks(tasks)
    path = Path(out)
    data_path = path.with_name(path.name + ".data")
    for written in (path, data_path):
        if written.exists() and written.samefile(suite.path):
            raise InputError(f"{written} is the suite itself: choose another place for the subnet")
    graph = suite.graph(info, target)
    check_interface(suite, graph)
    cut = graph.pruned([f"{name}/logits" if raw else name for name in names])
    record = suite.record(info)
    # No witness is run here, and damage that left the suite would be found by nobody: these files have no digests.
    check_weights(suite, record, (item.name for item in cut.external()))
    arrays = read_arrays(suite.container, record, cut, f"subnet {info.id} of {suite.path}")
    try:
        with beside(data_path) as data, beside(path) as model:
            model.write(cut.to_bytes(_write(data, arrays, data_path.name)))
            onto_disk(model)
            onto_disk(data)
            # A new data file must never stand beside an old graph.
            path.unlink(missing_ok=True)
            os.replace(data.name, data_path)
            os.replace(model.name, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return path, data_path


def _write(file: IO[bytes], arrays: dict[str, np.ndarray[Any, Any]], name: str) -> dict[str, tuple[str, int, int]]:
    places = {}
    for key, array in arrays.items():
        file.write(b"\0" * (-file.tell() % (_ALIGNMENT if array.nbytes >= _ALIGNMENT else 16)))
        places[key] = (name, file.tell(), array.nbytes)
        file.write(array.tobytes())
    return places

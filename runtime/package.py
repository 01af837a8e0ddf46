"""Subnets as an onnxruntime *model package*: a folder whose manifest has a component a subnet, a variant an engine.

Onnxruntime chooses the variant by the execution provider that it is given; which subnet fits a budget it does not ask,
so every subnet is a component of its own, with what it costs and how good it is as metadata. Weights are stored once a
graph: packages know no slices of shared tensors. Written by onnxruntime's own library (pull request
28989; tried with 1.32).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..devices.errors import EngineUnavailable, InputError, SuiteError
from .extract import extract_subnet_file

if TYPE_CHECKING:
    from .format.manifest import SubnetInfo
    from .format.suite_file import SuiteFile

MODEL = "model.onnx"
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Variant -> execution provider, and the target whose graph it runs. CUDA runs what stands in floats as it is.
_VARIANTS = {
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime"),
    "tensorrt": ("TensorrtExecutionProvider", "tensorrt"),
    "tensorrt-rtx": ("NvTensorRTRTXExecutionProvider", "tensorrt"),
}


def write_package(
    suite: SuiteFile,
    subnets: Iterable[SubnetInfo | str],
    out: str | os.PathLike[str],
    *,
    tasks: Iterable[str] | str | None = None,
) -> Path:
    """Write `out`, a folder that is not there yet, with all of the subnets' graphs; seen whole or not at all.

    Raises InputError where it cannot be written, EngineUnavailable where onnxruntime writes no packages yet,
    BudgetError for unknown subnets or tasks.
    """
    library = _library()
    chosen = [suite.subnet(subnet) if isinstance(subnet, str) else subnet for subnet in subnets]
    names = suite.check_tasks(tasks)
    for subnet in chosen:
        if not _FOLDER.fullmatch(subnet.id):  # a stranger's suite says what its subnets are called
            raise SuiteError(f"{suite.path} has a subnet {subnet.id!r}, after which no folder can be called")
    path = Path(out)
    try:
        there = os.path.lexists(path)
        partial = path.with_name(f".{path.name[:80]}.{os.getpid()}.part")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)[:200]!r} cannot be written: {error}") from None
    if there:
        raise InputError(f"{path} is there already: a package is written into a new folder")
    try:
        partial.mkdir(parents=True)
        variants = {subnet.id: _variants(suite, subnet, partial / subnet.id, names) for subnet in chosen}
        _write_manifest(library, suite, chosen, variants, partial)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def _variants(suite: SuiteFile, subnet: SubnetInfo, folder: Path, tasks: tuple[str, ...]) -> dict[str, Any]:
    """The graphs of a subnet as ONNX files, each once, and the variants that run them."""
    written: dict[str, str] = {}
    found = {}
    for variant, (provider, target) in _VARIANTS.items():
        info = subnet.graphs.get(target)
        if info is None or (variant == "cuda" and subnet.precision != "fp32"):
            continue
        if info.sha256 not in written:
            written[info.sha256] = target
            (folder / target).mkdir(parents=True)
            extract_subnet_file(suite, subnet, folder / target / MODEL, target=target, tasks=tasks)
        found[variant] = {"ep": provider, "variant_directory": f"{subnet.id}/{written[info.sha256]}"}
    return found


def _write_manifest(
    library: Any, suite: SuiteFile, chosen: list[SubnetInfo], variants: dict[str, dict[str, Any]], folder: Path
) -> None:
    # Variants may name folders only of a package that is there: so it begins as an empty one.
    empty = {"schema_version": "1.0", "layout": "portable", "components": {}}
    (folder / "manifest.json").write_text(json.dumps(empty))
    package = library.open(str(folder))
    try:
        package.set_metadata(name=suite.name, description=f"subnets of the pliant suite {suite.name}")
        for subnet in chosen:
            package.set_component_inline(subnet.id, json.dumps({"variants": {}}))
            for variant, described in variants[subnet.id].items():
                package.set_variant(subnet.id, variant, json.dumps(described))
                run = json.dumps({"model_file": MODEL})
                package.set_variant_executor_info_inline(subnet.id, variant, "ort", run)
            package.set_additional_metadata_json("component", subnet.id, None, json.dumps(_metadata(subnet)))
        package.commit()
    finally:
        package.close()


def _metadata(subnet: SubnetInfo) -> dict[str, Any]:
    quality = {task: measured._asdict() for task, measured in subnet.quality.items()}
    cost = {"macs": subnet.macs, "bytes": subnet.bytes}
    return {"precision": subnet.precision, "widths": subnet.widths._asdict(), **cost, "quality": quality}


def _library() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise EngineUnavailable(
            "model packages are written by onnxruntime: in a checkout of pliant, pip install '.[cpu]'"
        ) from None
    found = getattr(onnxruntime, "ModelPackage", None)
    if found is None:
        raise EngineUnavailable(
            f"onnxruntime {onnxruntime.__version__} writes no model packages: pip install 'onnxruntime>=1.32'"
        )
    return found

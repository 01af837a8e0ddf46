from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pliant.devices.errors import ExportError
from pliant.export.suite import SubnetEntry, SuiteContent, suite_bytes, write_suite
from pliant.runtime.format.record import View
from pliant.runtime.opening import open_suite

from .making import task


def content() -> SuiteContent:
    """A suite that says little, but has every part."""
    depth = task("depth")
    part = {"macs": 10, "bytes": 24}
    quality = {"depth": {"metric": "rmse", "value": 0.5, "higher_is_better": False}}
    describe = {
        "widths": {"encoder": [0.5], "decoders": {"depth": 0.5}},
        "macs": 20,
        "bytes": 48,
        "parts": {"encoder": part, "decoders": {"depth": part}},
        "quality": quality,
    }
    subnet = SubnetEntry(
        "s01-fp32",
        "fp32",
        describe,
        {"onnxruntime": b"a graph"},
        {"conv.weight": View("weights/conv.weight", (((0, 2),), ((0, 1), (2, 3))))},
        {"bn.running_mean": np.arange(2, dtype=np.float32)},
        {"depth": np.ones(1, np.float32), "depth/summary": np.ones(3, np.float32)},
    )
    return SuiteContent(
        "tiny",
        (4, 6),
        (1, 8),
        (depth,),
        (subnet,),
        {"weights/conv.weight": np.arange(12, dtype=np.float32).reshape(4, 3), "weights/unused": np.ones(9)},
        np.zeros((1, 4, 6, 3), np.uint8),
        {"depth": np.array([3])},
        {"fp32": 1e-3},
        {"name": "waves", "split": "test", "images": 2, "engine": "none"},
        {"pliant": "0"},
    )


def test_the_runtime_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pliant"
    size = write_suite(content(), path)
    assert size == path.stat().st_size
    with open_suite(path) as suite:
        (subnet,) = suite.subnets
        record = suite.record(subnet)
        view = record.views["conv.weight"]
        part = suite.container.read(view.tensor, view.ranges)
        assert (suite.name, suite.input.shape, subnet.macs, subnet.cost().bytes) == ("tiny", (4, 6, 3), 20, 48)
    assert part.tolist() == [[0.0, 2.0], [3.0, 5.0]]
    assert record.own["bn.running_mean"].tolist() == [0.0, 1.0]


def test_it_is_a_safetensors_file_without_what_no_subnet_views(tmp_path: Path) -> None:
    write_suite(content(), tmp_path / "tiny.pliant")
    tensors = load_file(tmp_path / "tiny.pliant")
    assert tensors["weights/conv.weight"].shape == (4, 3)
    assert "weights/unused" not in tensors


def test_equal_content_gives_equal_bytes_in_every_process() -> None:
    here = hashlib.sha256(suite_bytes(content())).hexdigest()
    assert all(hashlib.sha256(suite_bytes(content())).hexdigest() == here for _ in range(8))
    code = (
        "import hashlib; from pliant.export.suite import suite_bytes;"
        "from pliant.tests.export.test_suite import content;"
        "print(hashlib.sha256(suite_bytes(content())).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == here


def test_a_failed_check_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pliant"
    path.write_bytes(b"the old one")
    seen = []

    def refuse(partial: Path) -> None:
        seen.append(partial.stat().st_size)
        raise ExportError("no")

    with pytest.raises(ExportError, match=r"^no$"):
        write_suite(content(), path, refuse)
    assert seen[0] > 1000
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "nowhere" / "x.pliant"):
        with pytest.raises(ExportError, match="cannot be written"):
            write_suite(content(), place)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_view_of_a_tensor_that_is_not_there_is_refused() -> None:
    (subnet,) = content().subnets
    lost = replace(subnet, views={"w": View("weights/lost", ())})
    with pytest.raises(ExportError, match="'weights/lost'"):
        suite_bytes(replace(content(), subnets=(lost,)))


def test_equal_graphs_are_stored_once() -> None:
    (subnet,) = content().subnets
    one, two = suite_bytes(content()), suite_bytes(replace(content(), subnets=(subnet, replace(subnet, id="s02-fp32"))))
    assert one.count(b"graph/") == 2  # once as a tensor, once in the manifest
    assert two.count(b"graph/") == 3

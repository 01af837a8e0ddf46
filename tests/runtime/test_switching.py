"""Switches under load and switches that fail, with real threads, real damage and real limits."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

import pliant
from pliant.benchmarks.runtime.switching import load

from .making import images, make


def test_eight_threads_get_whole_answers_while_it_switches(suite: pliant.Suite, tmp_path: Path) -> None:
    """As `benchmarks/runtime/switching.py` measures it, in small."""
    found = load(suite, tmp_path, Namespace(switches=40, callers=8, among=4, threads=1))
    assert found["wrong"] == {}
    assert found["failed_switches"] == {}
    assert found["switches"] == 40
    assert found["calls"] >= 40
    assert len(found["answered"]) >= 2, "calls met more than one subnet"


OUT_OF_MEMORY = """
import json, resource, sys
import numpy as np
import pliant

def mapped():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

rows = []
with pliant.open_suite(sys.argv[1]) as suite, suite.load("s01-fp32", threads=1) as model:
    image = suite.witness_input()
    model.switch("s03-fp32")
    model.switch("s01-fp32")
    before = model(image)
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    for more in (0, 500_000, 1_000_000, 2_000_000, 3_000_000):
        resource.setrlimit(resource.RLIMIT_AS, (mapped() + more, most))
        told = None
        try:
            model.switch("s05-fp32")
        except BaseException as error:
            told = [isinstance(error, pliant.PliantError), f"{type(error).__name__}: {error}"]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        after, serving = model(image), model.subnet.id
        rows.append([told, serving, all(np.array_equal(before[task], after[task]) for task in before)])
        if told is None:
            break
    model.switch("s05-fp32")
    print(json.dumps({"rows": rows, "then": model.subnet.id}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere address space is not limited")
def test_a_switch_that_runs_out_of_memory_says_so_and_the_old_subnet_serves_on(checkout: Path) -> None:
    sample = checkout / "runtime" / "sample" / "sample.pliant"
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, str(sample)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    failed = [row for row in found["rows"] if row[0] is not None]
    assert failed, "the wide subnet fitted into no memory at all"
    for (typed, message), serving, same in failed:
        assert typed, message
        assert "not enough memory to load subnet s05-fp32" in message
        assert (serving, same) == ("s01-fp32", True)
    assert found["then"] == "s05-fp32", "with memory again, it switches"


def test_a_switch_that_the_engine_refuses_leaves_the_old_subnet_serving(tmp_path: Path) -> None:
    made = make(seed=4)
    graph = made.graph("s02-fp32")
    node = next(node for node in graph.graph.node if node.op_type == "Conv")
    node.attribute.append(helper.make_attribute("frobnicate", 1))
    made.replace_graph("s02-fp32", graph.SerializeToString())
    with (
        pliant.open_suite(made.write(tmp_path / "refused.pliant")) as suite,
        suite.load("s01-fp32", threads=1) as model,
    ):
        _fails_and_serves(model, "s02-fp32", r"onnxruntime .* refuses subnet s02-fp32 .*frobnicate")


@pytest.mark.parametrize("how", ["cut", "zeros"])
def test_a_file_that_is_damaged_while_it_is_open_leaves_the_old_subnet_serving(
    suite_path: Path, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "open.pliant"
    data = suite_path.read_bytes()
    path.write_bytes(data)
    with pliant.open_suite(path) as suite, suite.load("s01-fp32", threads=1) as model:
        entry = suite.container.entry("record/s02-fp32")
        start = path.stat().st_size - suite.container.size + entry.start
        with path.open("r+b") as file:
            if how == "cut":
                file.truncate(start)
            else:
                file.seek(start)
                file.write(bytes(entry.stop - entry.start))
        _fails_and_serves(model, "s02-fp32", "truncated while it was open|is damaged|was changed while it was open")


def _fails_and_serves(model: pliant.Model, target: str, says: str) -> None:
    """The switch is refused with its reason, and the model answers as before."""
    batch = images(2)
    before, serving = model(batch), model.subnet.id
    with pytest.raises(pliant.SuiteError, match=says) as caught:
        model.switch(target)
    assert "\n" not in str(caught.value)
    assert model.subnet.id == serving
    after = model(batch)
    assert all(np.array_equal(before[task], after[task]) for task in before)

"""A suite file replaced from outside, by another process, while the example serves it."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import pliant
from pliant.tests.runtime.making import make

REPLACE = Path(__file__).parents[2] / "examples" / "replace.py"


@contextmanager
def serving(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(REPLACE), str(path)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def test_newer_ones_are_taken_over_and_damaged_ones_are_turned_away(tmp_path: Path) -> None:
    path, newer = make(seed=0).write(tmp_path / "served.pliant"), tmp_path / "newer.pliant"

    def put(data: bytes) -> None:
        newer.write_bytes(data)
        os.replace(newer, path)

    whole = make(seed=1).write(tmp_path / "whole.pliant").read_bytes()
    lying = make(seed=2)
    for record in lying.records.values():
        record["witness/depth"] += 1.0
    with serving(path) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("serving served.pliant by s0")
        heard = []
        for data in (whole, lying.write(tmp_path / "lying.pliant").read_bytes(), whole[:5000], whole):
            put(data)
            heard.append(running.stdout.readline().strip())
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=60)
    assert errors == ""
    assert heard[0].startswith("replaced: ")
    assert "witness" in heard[1]
    assert "truncated" in heard[2]
    assert all(line.startswith("the old one goes on: ") for line in heard[1:3])
    assert heard[3].startswith("replaced: ")
    assert rest.splitlines()[-1].endswith("frames, each answered")
    assert running.returncode == 0


def test_it_answers_as_the_newer_one(tmp_path: Path) -> None:
    """In this process, to see the answers themselves."""
    found = importlib.util.spec_from_file_location("replace_example", REPLACE)
    assert found is not None
    assert found.loader is not None
    example = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    path = make(seed=0).write(tmp_path / "served.pliant")
    other = make(seed=5).write(tmp_path / "other.pliant")
    served = example.Served(path, macs="2 G", threads=1)
    try:
        image = np.zeros(served.model.suite.input.shape, np.uint8)
        old, before = served.model, served(image)["depth"]
        with pliant.open_suite(other) as suite, suite.load(macs="2 G", threads=1) as model:
            wanted = model(image)["depth"]
        assert not np.array_equal(before, wanted)
        os.replace(other, path)
        answers = [served(image)["depth"]]
        while served.model is old:
            answers.append(served(image)["depth"])
        answers.append(served(image)["depth"])
        for depth in answers:
            assert np.array_equal(depth, before) or np.array_equal(depth, wanted)
        assert np.array_equal(answers[-1], wanted)
    finally:
        served.close()
    with pytest.raises(pliant.PliantError, match="closed"):
        old(image)

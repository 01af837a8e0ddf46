"""What happens in the soak: good and bad requests, switches, inputs, damaged files, killed workers.

One act, one function. It returns nothing, raises an error of pliant's tree where that is the right answer, and `Wrong`
where pliant answered what it must not.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.profile import read_profile
from pliant.runtime.model import Model
from pliant.runtime.suite import Suite

from .answers import Answers
from .requests import Range, draw


class Wrong(Exception):
    """Pliant answered what it must not."""


@dataclass
class Field:
    """Where the soak takes place: an open suite, the model that callers use, a cache and a folder of its own."""

    suite: Suite
    model: Model
    answers: Answers
    ranges: dict[tuple[str, ...] | None, Range]
    cache: Path
    folder: Path
    rng: np.random.Generator

    def pick(self, choices: Any) -> Any:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def profile(self) -> Path:
        """The file of what is measured."""
        return MeasurementCache(self.cache).path(read_fingerprint())


def _refused(kind: type[pliant.PliantError], call: Callable[[], object]) -> None:
    """Passes the right error on."""
    answer = call()
    raise Wrong(f"{answer!r:.200} instead of {kind.__name__}")


def call(field: Field) -> None:
    """A batch of random images."""
    size = field.suite.input
    images = field.rng.integers(0, 256, (int(field.rng.integers(1, 5)), *size.shape), dtype=np.uint8)
    outputs = field.model(images)
    for task, array in outputs.items():
        if len(array) != len(images) or not np.isfinite(array).all():
            raise Wrong(f"{task}: {array.shape} for {images.shape}, finite: {np.isfinite(array).all()}")


def call_badly(field: Field) -> None:
    """Images of wrong shapes, types and numbers."""
    height, width, _ = field.suite.input.shape
    wrong = [
        np.zeros((height, width, 3), np.float32),
        np.zeros((height + 1, width, 3), np.uint8),
        np.zeros((height, width), np.uint8),
        np.zeros((3, height, width), np.uint8),
        np.zeros((0, height, width, 3), np.uint8),
        np.zeros((height, width, 4), np.uint8),
        np.full((height, width, 3), None),
        "photo.jpg",
        None,
        [[1, 2], [3]],
    ]
    _refused(pliant.InputError, lambda: field.model(field.pick(wrong)))


def plan(field: Field) -> None:
    """A random request; what it needs is measured."""
    (request,) = draw(field.suite, field.ranges, 1, field.rng)
    field.suite.plan(**request.words(), threads=1, cache=field.cache)


def plan_badly(field: Field) -> None:
    """A request that cannot be understood."""
    task = next(iter(field.suite.tasks))
    wrong: list[dict[str, Any]] = [
        {"latency": 15},
        {"latency": "15 parsecs"},
        {"latency": "-1 ms"},
        {"latency": "nan ms"},
        {"memory": "many"},
        {"tasks": ["dept"]},
        {"tasks": []},
        {"prefer": {task: -1.0}},
        {"prefer": {"smell": 1.0}},
        {"floors": {task: float("nan")}},
        {"quantile": 0.51},
        {"provider": "abacus"},
        {"threads": -3},
        {"measure": "perhaps"},
        {"energy": "1 mJ"},
        {"latency": "1 ns"},
    ]
    _refused(pliant.PliantError, lambda: field.suite.plan(**{"threads": 1, "cache": field.cache, **field.pick(wrong)}))


def switch(field: Field) -> None:
    """To any subnet."""
    field.model.switch(field.pick(field.suite.subnets).id)


def switch_by_budget(field: Field) -> None:
    """By what is known: where too little is, or nothing fits, the old subnet goes on serving."""
    low, high = field.ranges[None].latency_ms
    limit = float(np.exp(field.rng.uniform(np.log(low / 2), np.log(2 * high))))
    serving = field.model.subnet.id
    try:
        field.model.switch(latency=f"{limit!r} ms", cache=field.cache)
    except pliant.BudgetError:
        if field.model.subnet.id != serving:
            raise Wrong("a refused switch changed the subnet") from None
        raise


def switch_badly(field: Field) -> None:
    """To what there is not."""
    wrong = [((), {}), (("s99-fp64",), {}), ((7,), {}), ((), {"tasks": "depth"}), ((), {"latency": "1 furlong"})]
    positional, words = field.pick(wrong)
    _refused(pliant.BudgetError, lambda: field.model.switch(*positional, **words))


def load_another(field: Field) -> None:
    """The model is closed and another takes its place, of the file opened anew."""
    old, before = field.model, field.suite
    field.suite = pliant.open_suite(before.path)
    field.model = field.suite.load(field.pick(field.suite.subnets).id, threads=1)
    old.close()
    before.close()


def open_damaged(field: Field) -> None:
    """A copy with bytes missing or changed is opened, loaded and run."""
    path = field.folder / "damaged.pliant"
    path.write_bytes(_damaged(field.suite.path.read_bytes(), field.rng))
    with pliant.open_suite(path) as suite, suite.load(field.pick(suite.subnets).id, threads=1) as model:
        model(suite.witness_input())


def damage_while_open(field: Field) -> None:
    """A copy is damaged while a model of it serves: switches may be refused, calls must not notice."""
    path = field.folder / "open.pliant"
    data = field.suite.path.read_bytes()
    path.write_bytes(data)
    with pliant.open_suite(path) as suite, suite.load(field.pick(suite.subnets).id, threads=1) as model:
        serving, before = model.subnet.id, model(field.answers.image)
        path.write_bytes(_damaged(data, field.rng))
        try:
            model.switch(field.pick(suite.subnets).id)
        finally:
            after = model(field.answers.image)
            same = all(np.array_equal(before[task], after[task]) for task in before)
            if model.subnet.id == serving and not same:
                raise Wrong(f"{serving} answers otherwise after a failed switch")


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    if rng.random() < 0.3:
        return bytes(changed[: int(rng.integers(len(changed)))])
    # Headers and records are small: half of the damage falls into the first and last tenth.
    length = int(rng.integers(1, 4096))
    reach = len(changed) - length
    start = int(rng.integers(reach) if rng.random() < 0.5 else rng.integers(reach // 10))
    changed[start : start + length] = rng.bytes(length)
    return bytes(changed)


def kill_worker(field: Field) -> None:
    """A process that measures and writes its profile is killed at some moment; the profile is whole, old or new."""
    path = field.profile()
    before = set(read_profile(path).latency) if path.exists() else set()
    command = [sys.executable, "-m", "pliant.benchmarks.runtime.worker", str(field.suite.path), str(field.cache)]
    worker = subprocess.Popen(
        [*command, str(field.rng.integers(1 << 30))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stderr is not None
    try:
        if worker.stdout.readline() != "ready\n":
            raise Wrong(f"a worker ended by itself: {worker.stderr.read()[-300:]}")
        time.sleep(float(field.rng.uniform(0.0, 1.5)))
        if worker.poll() is not None:
            raise Wrong(f"a worker ended by itself: {worker.stderr.read()[-300:]}")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    if path.exists():
        lost = before - set(read_profile(path).latency)
        if lost:
            raise Wrong(f"a killed worker lost {len(lost)} of {len(before)} measurements")
    elif before:
        raise Wrong("a killed worker took the profile with it")


def damage_profile(field: Field) -> None:
    """The kept profile is cut short, as no process of ours leaves it: it is measured anew, and that is said."""
    path = field.profile()
    if not path.exists():
        return
    path.write_bytes(path.read_bytes()[: int(field.rng.integers(1, 200))])
    found = field.suite.plan(latency="10 s", threads=1, cache=field.cache)
    if not any("anew" in note for note in found.notes):
        raise Wrong(f"a damaged profile was not told of: {found.notes}")


# How often each happens, relative to the others.
ACTS: dict[Callable[[Field], None], int] = {
    call: 20,
    call_badly: 20,
    plan: 8,
    plan_badly: 15,
    switch: 20,
    switch_by_budget: 10,
    switch_badly: 10,
    load_another: 3,
    open_damaged: 10,
    damage_while_open: 5,
    kill_worker: 1,
    damage_profile: 1,
}

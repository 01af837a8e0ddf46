"""Several models in a process, and models in processes that were forked or spawned."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pliant

from .making import Made, images, make, reference

# From 3.12 on Python says that a fork beside threads is dangerous: which is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

PATIENCE = 120.0
_CHILDREN: dict[str, Any] = {}


def test_several_models_of_one_and_of_two_suites_answer_by_turns(
    suite: pliant.Suite, made: Made, tmp_path: Path
) -> None:
    batch, other = images(2), make(seed=7)
    with (
        pliant.open_suite(other.write(tmp_path / "other.pliant")) as second,
        suite.load("s01-fp32", threads=1) as narrow,
        suite.load("s03-fp32", threads=1) as wide,
        second.load("s03-fp32", threads=1) as strange,
    ):
        wanted = [reference(made.models[n], batch)["depth"] for n in ("s01-fp32", "s03-fp32")]
        wanted.append(reference(other.models["s03-fp32"], batch)["depth"])
        for _ in range(3):
            for model, depth in zip((narrow, wide, strange), wanted, strict=True):
                np.testing.assert_array_equal(model(batch)["depth"], depth)
        # What becomes of one is nothing to the others.
        narrow.switch("s02-fp32")
        wide.close()
        np.testing.assert_array_equal(strange(batch)["depth"], wanted[2])
        np.testing.assert_array_equal(narrow(batch)["depth"], reference(made.models["s02-fp32"], batch)["depth"])


# A script, as an application is one: what is spawned imports it again.
_LOADS = """
import multiprocessing, sys
import numpy, pliant

def own_model(path, batch):
    with pliant.open_suite(path) as suite, suite.load("s02-fp32", threads=2) as model:
        return model(batch)["depth"]

if __name__ == "__main__":
    method, path, images, answer = sys.argv[1:]
    batch = numpy.load(images)
    with pliant.open_suite(path) as suite, suite.load("s03-fp32", threads=2) as model:
        before = model(batch)["depth"]
        with multiprocessing.get_context(method).Pool(1) as pool:
            depth = pool.apply_async(own_model, (path, batch)).get(100)
        assert numpy.array_equal(model(batch)["depth"], before)
    numpy.save(answer, depth)
"""


def _inherited(pipe: Connection) -> None:
    """Everything that a model can do, with one that the parent loaded."""
    model, closed = _CHILDREN["model"], _CHILDREN["closed"]
    said = repr(model)
    answers = [model(images(2))["depth"]]
    model.switch("s01-fp32")
    answers.append(model(images(2))["depth"])
    model.close()
    refusals = []
    for each in (model, closed):
        try:
            each(images(2))
        except pliant.PliantError as error:
            refusals.append(str(error))
    pipe.send((said, answers, refusals))


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_process_loads_its_own_while_the_parent_has_one(
    suite_path: Path, made: Made, tmp_path: Path, method: str
) -> None:
    script, given, answer = tmp_path / "loads.py", tmp_path / "images.npy", tmp_path / "answer.npy"
    script.write_text(_LOADS)
    np.save(given, images(2))
    command = [sys.executable, str(script), method, str(suite_path), str(given), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(answer), reference(made.models["s02-fp32"], images(2))["depth"])


def _answer_of(target: Any) -> Any:
    """What a forked process sends; it must end well, and by itself."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=target, args=(theirs,))
    child.start()
    theirs.close()
    try:
        assert ours.poll(PATIENCE), f"a forked process says nothing: it hangs, or it ended ({child.exitcode})"
        answer = ours.recv()
        child.join(PATIENCE)
        assert child.exitcode == 0, f"a forked process ended with {child.exitcode}"
        return answer
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_forked_process_goes_on_with_the_model_that_it_inherits(
    suite: pliant.Suite, made: Made, threads: int
) -> None:
    """Onnxruntime's threads stay with the parent: to free their session, or to wait for them, would hang for ever."""
    batch = images(2)
    closed = suite.load("s01-fp32", threads=threads)
    closed.close()
    with suite.load("s03-fp32", threads=threads) as model:
        _CHILDREN.update(model=model, closed=closed)
        said, answers, refusals = _answer_of(_inherited)
        assert "s03-fp32" in said
        for depth, subnet in zip(answers, ("s03-fp32", "s01-fp32"), strict=True):
            np.testing.assert_array_equal(depth, reference(made.models[subnet], batch)["depth"])
        assert len(refusals) == 2
        assert all("closed" in refusal for refusal in refusals)
        # The child's switch and close are the child's alone.
        assert model.subnet.id == "s03-fp32"
        np.testing.assert_array_equal(model(batch)["depth"], answers[0])
    _CHILDREN.clear()


def test_a_fork_while_other_threads_call_and_switch(suite: pliant.Suite) -> None:
    """A lock that another thread holds at that moment is nobody's in the child."""
    stop = threading.Event()
    with suite.load("s01-fp32", threads=1, tasks="depth") as model:

        def bend() -> None:
            while not stop.is_set():
                model.switch("s03-fp32")
                model(images(1))
                model.switch("s01-fp32")

        bending = threading.Thread(target=bend)
        bending.start()
        try:
            _CHILDREN.update(model=model)
            for _ in range(3):
                assert _answer_of(_switches_once) == "s02-fp32"
        finally:
            stop.set()
            bending.join()
    _CHILDREN.clear()


def _switches_once(pipe: Connection) -> None:
    model = _CHILDREN["model"]
    model.switch("s02-fp32")
    model(images(1))
    pipe.send(model.subnet.id)


def test_closing_a_suite_and_its_models_is_final_in_any_order_and_any_number_of_times(suite_path: Path) -> None:
    suite = pliant.open_suite(suite_path)
    models = [suite.load("s01-fp32", threads=1, tasks="depth") for _ in range(2)]
    models[0].close()
    closers: list[pliant.Suite | pliant.Model] = [suite, *models, suite, *models]
    for each in closers:
        each.close()
    for model in models:
        with pytest.raises(pliant.PliantError, match="closed"):
            model(images(1))
        with pytest.raises(pliant.PliantError, match="closed"):
            model.switch("s02-fp32")
        with pytest.raises(pliant.PliantError, match="closed"), model:
            print(model.subnet)
    with pytest.raises(pliant.SuiteError, match="closed"):
        suite.load("s01-fp32", threads=1)
    assert not any(os.readlink(link) == str(suite_path) for link in _descriptors())


def _descriptors() -> list[Path]:
    folder = Path("/proc/self/fd")
    return [link for link in folder.iterdir() if link.is_symlink()] if folder.is_dir() else []


def test_the_engine_notes_nothing_in_the_users_cache(suite_path: Path, tmp_path: Path) -> None:
    """Onnxruntime 1.32 has telemetry; pliant asks it for none, unless the user does."""
    code = "import sys, pliant; suite = pliant.open_suite(sys.argv[1]); suite.load()(suite.witness_input())"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    subprocess.run([sys.executable, "-c", code, str(suite_path)], env=environment, check=True, timeout=PATIENCE)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

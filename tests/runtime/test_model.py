"""What a model answers, what it refuses, and that a switch breaks no call."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import pliant
from pliant.runtime.engine import PROVIDERS, physical_cores
from pliant.runtime.format.manifest import widest

from .making import SUBNETS, Made, images, make, reference
from .network import HEIGHT, TASKS, WIDTH


@pytest.mark.parametrize("subnet", SUBNETS)
def test_outputs_equal_those_of_the_complete_model_in_plain_onnxruntime(
    suite: pliant.Suite, made: Made, subnet: str
) -> None:
    batch = images(3)
    expected = reference(made.models[subnet], batch)
    with suite.load(subnet, threads=1) as model:
        outputs = model(batch)
    assert list(outputs) == [task.name for task in TASKS]
    for task in TASKS:
        np.testing.assert_array_equal(outputs[task.name], expected[task.name])


def test_raw_gives_logits(suite: pliant.Suite, made: Made) -> None:
    batch = images(2)
    expected = reference(made.models["s02-fp32"], batch)
    with suite.load("s02-fp32", raw=True, tasks=("depth", "room"), threads=1) as model:
        outputs = model(batch)
    assert list(outputs) == ["depth", "room"]
    for task in outputs:
        np.testing.assert_allclose(outputs[task], expected[f"{task}/logits"], atol=1e-5)


def test_a_single_image_is_answered_without_a_batch_axis(suite: pliant.Suite) -> None:
    image = images(1)[0]
    with suite.load(threads=1) as model:
        assert model.subnet.id == "s03-fp32"
        outputs, batch = model(image), model(image[None])
    shapes = {"floor": (HEIGHT, WIDTH), "depth": (HEIGHT, WIDTH), "normals": (HEIGHT, WIDTH, 3), "room": (4,)}
    for task, shape in shapes.items():
        assert outputs[task].shape == shape
        np.testing.assert_array_equal(outputs[task], batch[task][0])


def test_views_that_are_not_contiguous_and_pillow_images_are_taken(suite: pliant.Suite) -> None:
    image_module = pytest.importorskip("PIL.Image")
    bgr = images(1)[0]
    with suite.load("s01-fp32", tasks="depth", threads=1) as model:
        expected = model(np.ascontiguousarray(bgr[..., ::-1]))["depth"]
        np.testing.assert_array_equal(model(bgr[..., ::-1])["depth"], expected)
        np.testing.assert_array_equal(
            model(image_module.fromarray(np.ascontiguousarray(bgr[..., ::-1])))["depth"], expected
        )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((HEIGHT, WIDTH, 3), np.float32), "float32"),
        (np.zeros((480, 640, 3), np.uint8), f"resize(({WIDTH}, {HEIGHT}))"),
        (np.zeros((HEIGHT, WIDTH, 4), np.uint8), "alpha"),
        (np.zeros((3, HEIGHT, WIDTH), np.uint8), "channels last"),
        (np.zeros((HEIGHT, WIDTH), np.uint8), "grey"),
        (np.zeros((1, 1, HEIGHT, WIDTH, 3), np.uint8), "batch of images"),
        (np.zeros((9, HEIGHT, WIDTH, 3), np.uint8), "1 to 8"),
        (np.zeros((0, HEIGHT, WIDTH, 3), np.uint8), "1 to 8"),
        ("kitchen.jpg", "str"),
        (None, "NoneType"),
    ],
)
def test_wrong_images_are_one_line_that_says_what_to_do(suite: pliant.Suite, wrong: Any, says: str) -> None:
    with suite.load("s01-fp32", tasks="depth", threads=1) as model, pytest.raises(pliant.InputError) as caught:
        model(wrong)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_close_is_final_and_idempotent(suite: pliant.Suite) -> None:
    model = suite.load("s01-fp32", tasks="depth", threads=1)
    model.close()
    model.close()
    with pytest.raises(pliant.PliantError, match="closed"):
        model(images(1))
    with pytest.raises(pliant.PliantError, match="closed"):
        model.switch("s02-fp32")


def test_a_model_outlives_its_suite_but_cannot_switch_then(suite_path: Path) -> None:
    suite = pliant.open_suite(suite_path)
    model = suite.load("s01-fp32", tasks="depth", threads=1)
    suite.close()
    assert model(images(1)[0])["depth"].shape == (HEIGHT, WIDTH)
    with pytest.raises(pliant.SuiteError, match="closed"):
        model.switch("s02-fp32")
    assert model.subnet.id == "s01-fp32"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"choice": "s02-fp16"}, "s02-fp32"),
        ({"tasks": ("dept",)}, "dept"),
        ({"tasks": ()}, "no task"),
        ({"provider": "quantum"}, "quantum"),
        ({"threads": -1}, "threads"),
        ({"tasks": 5}, "tasks are names"),
        ({"tasks": "depth,eges"}, "did you mean 'edges'"),
        ({"prefer": ["depth"]}, "a task and a number"),
        ({"choice": 3}, "int"),
        ({"choice": ["s01-fp32"]}, "list"),
        ({"choice": "s01-fp32", "latency": "1 ms"}, "not both"),
    ],
)
def test_wrong_requests_name_what_is_wrong(suite: pliant.Suite, request_: dict[str, Any], says: str) -> None:
    choice = request_.pop("choice", None)
    with pytest.raises(pliant.BudgetError, match=says):
        suite.load(choice, **request_)


def test_loading_reads_the_same_words_as_planning(suite: pliant.Suite) -> None:
    with suite.load("s01-fp32", tasks="edges, depth", provider="CPU", threads=0) as model:
        assert model.tasks == ("depth", "edges")
        assert model.session.provider == "cpu"
        assert model.session.threads == physical_cores()
    for name, says in (
        ("s01", "try s01-fp32, s01-int8$"),
        ("s01-fp23", "try s01-fp32"),
        ("s99", "`pliant inspect` lists"),
    ):
        with pytest.raises(pliant.BudgetError, match=f"no subnet '{name}': {says}"):
            suite.subnet(name)
    with pytest.raises(pliant.BudgetError, match="no subnet"):
        suite.subnet(["s01-fp32"])  # type: ignore[arg-type]
    with pytest.raises(pliant.SuiteError, match="by its path, not by a NoneType"):
        pliant.open_suite(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made_for", "says"),
    [
        ({"threads": 2}, r"for the threads 2, not 1: plan again with threads=1"),
        ({"threads": 1, "tasks": ["depth"]}, r"for the tasks depth, not floor, depth"),
        ({"threads": 1, "provider": "cuda"}, r"for the provider cuda, not cpu"),
    ],
)
def test_a_plan_is_not_taken_for_what_it_was_not_made_for(
    suite: pliant.Suite, made_for: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    plan = suite.plan(macs="2 G", **made_for)
    asked: dict[str, Any] = {"threads": 1, "tasks": tuple(suite.tasks), "provider": "cpu"}
    with pytest.raises(pliant.BudgetError, match=says):
        suite.load(plan, **asked)
    with suite.load("s01-fp32", **asked) as model:
        with pytest.raises(pliant.BudgetError, match=says):
            model.switch(plan)
        assert model.subnet.id == "s01-fp32"
        fitting = suite.plan(macs="2 G", threads=1)
        model.switch(fitting)
        assert model.plan is fitting


def test_a_plan_of_another_suite_is_refused(suite: pliant.Suite, tmp_path: Path) -> None:
    other = make(seed=1)
    for entry in other.manifest["subnets"]:
        entry["quality"]["depth"]["value"] = 0.25
    with pliant.open_suite(other.write(tmp_path / "other.pliant")) as another:
        plan = another.plan(macs="2 G", threads=1)
        for choice in (plan, plan.subnet):
            with pytest.raises(pliant.BudgetError, match="of another suite than"):
                suite.load(choice, threads=1)


def test_the_widest_is_the_one_that_qualities_are_relative_to(tmp_path: Path) -> None:
    made = make()
    made.manifest["subnets"].reverse()
    with pliant.open_suite(made.write(tmp_path / "reversed.pliant")) as suite:
        assert suite.widest.id == widest(suite.subnets).id == "s03-fp32"
        assert suite.plan().full_score == pytest.approx(len(suite.tasks))


def test_switch_reports_and_answers_as_the_new_subnet(suite: pliant.Suite, made: Made) -> None:
    batch = images(1)
    with suite.load("s03-fp32", tasks=("depth",), threads=1) as model:
        report = model.switch("s01-int8")
        assert (report.source, report.target, report.plan) == ("s03-fp32", "s01-int8", None)
        assert 0 < report.build_ms <= report.total_ms
        assert report.to_json()["from"] == "s03-fp32"
        assert model.subnet.id == "s01-int8"
        assert model.tasks == ("depth",)
        np.testing.assert_array_equal(model(batch)["depth"], reference(made.models["s01-int8"], batch)["depth"])
        assert model.switch("s01-int8").build_ms == 0.0
        for wrong in ({}, {"tasks": ("floor",), "latency": "1 ms"}, {"measure": "auto", "latency": "1 ms"}):
            with pytest.raises(pliant.BudgetError):
                model.switch(**wrong)


def test_a_switch_that_fails_leaves_the_old_subnet_serving(tmp_path: Path) -> None:
    made = make(seed=3)
    made.records["s02-fp32"]["witness/depth"] += 1.0
    batch = images(1)
    with pliant.open_suite(made.write(tmp_path / "lying.pliant")) as suite:
        with suite.load("s01-fp32", threads=1) as model:
            before = model(batch)
            with pytest.raises(pliant.SuiteError, match="witness"):
                model.switch("s02-fp32")
            assert model.subnet.id == "s01-fp32"
            np.testing.assert_array_equal(model(batch)["depth"], before["depth"])
        with suite.load("s02-fp32", tasks=("edges",), threads=1) as model:
            assert model.tasks == ("edges",)


def test_four_threads_get_whole_answers_during_fifty_switches(suite: pliant.Suite, made: Made) -> None:
    batch = images(2)
    names = ("s01-fp32", "s02-fp32", "s03-fp32")
    expected = {name: reference(made.models[name], batch) for name in names}
    stop, wrong, calls = threading.Event(), list[str](), [0] * 4

    with suite.load("s01-fp32", tasks=("depth", "normals"), threads=1) as model:

        def infer(worker: int) -> None:
            try:
                while not stop.is_set():
                    out = model(batch)
                    same = [n for n in names if all(np.array_equal(out[task], expected[n][task]) for task in out)]
                    if len(same) != 1:
                        wrong.append(f"equals {same}")
                    calls[worker] += 1
            except Exception as error:
                wrong.append(repr(error))

        workers = [threading.Thread(target=infer, args=(index,)) for index in range(4)]
        for worker in workers:
            worker.start()
        for index in range(50):
            model.switch(names[(index + 1) % 3])
        stop.set()
        for worker in workers:
            worker.join()
    assert wrong == []
    assert min(calls) > 0


def test_the_old_session_is_freed_when_its_last_call_ends(suite: pliant.Suite) -> None:
    with suite.load("s03-fp32", tasks="depth", threads=1) as model:
        in_flight = model.session
        old = weakref.ref(in_flight.engine)
        model.switch("s01-fp32")
        assert old() is not None
        assert in_flight.run(images(1))["depth"].shape == (1, HEIGHT, WIDTH)
        del in_flight
        assert old() is None
        last = weakref.ref(model.session.engine)
    assert last() is None


def test_a_missing_engine_names_the_package_to_install(suite: pliant.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(
            pliant.EngineUnavailable, match="pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        ):
            suite.load("s01-fp32", provider="cuda")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(pliant.EngineUnavailable, match=r"pip install onnxruntime$"):
        suite.load("s01-fp32")


def test_loading_and_calling_prints_nothing(suite_path: Path) -> None:
    code = (
        f"import numpy, pliant\nwith pliant.open_suite({str(suite_path)!r}) as suite, suite.load() as model:\n"
        f"    model(numpy.zeros(({HEIGHT}, {WIDTH}, 3), numpy.uint8))\n    model.switch('s01-int8')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

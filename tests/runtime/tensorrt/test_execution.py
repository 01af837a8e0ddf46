"""Running engines: the suite's own answers, from many threads, out of shared memory that comes back.

No GPU is needed: `fake` says what is real here and what is not. `make test-tensorrt` is the same on a real one.
"""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pliant
from pliant.cli.sample import SAMPLE_SUITE
from pliant.devices.fingerprint import read_fingerprint
from pliant.runtime.planning.book import Book
from pliant.runtime.tensorrt.bindings import Bindings
from pliant.runtime.tensorrt.cache import EngineCache
from pliant.runtime.tensorrt.cuda import load_cuda
from pliant.runtime.tensorrt.settings import BuildSettings

from ..making import images
from .conftest import FP32, HERE, build
from .fake import Vendor
from .fake_gpu import Gpu

# Configured by TensorRT for RTX, which says that its timing cache does nothing.
pytestmark = pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")


def test_an_engine_answers_as_onnxruntime_does(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        assert all(each.info.stripped for each in build(suite, *FP32))
        for subnet in FP32:
            with suite.load(subnet) as other, suite.load(subnet, provider="tensorrt") as model:
                for count in (1, 4, 2):
                    batch = images(count, seed=count)
                    ours, theirs = model(batch), other(batch)
                    assert ours.keys() == theirs.keys()
                    for task, array in ours.items():
                        assert array.dtype == theirs[task].dtype
                        np.testing.assert_array_equal(array, theirs[task])


def test_the_sample_suite_runs_in_int8(vendor: Vendor) -> None:
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        names = [subnet.id for subnet in suite.subnets][:4]
        assert any(name.endswith("int8") for name in names)
        build(suite, *names)
        for name in names:
            with suite.load(name, provider="tensorrt") as model:
                assert model.session.witness_error < suite.tolerance(suite.subnet(name))


def test_results_of_many_threads_are_whole(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, *FP32)
        batches = [images(1 + index % 4, seed=index) for index in range(12)]
        with suite.load("s02-fp32") as other:
            wanted = [other(batch) for batch in batches]
        failed: list[object] = []
        with (
            suite.load("s02-fp32", provider="tensorrt") as model,
            suite.load("s03-fp32", provider="tensorrt") as beside,
        ):

            def work(first: int) -> None:
                for index in range(first, 60, 3):
                    beside(batches[0])
                    found, right = model(batches[index % 12]), wanted[index % 12]
                    failed.extend(task for task in right if not np.array_equal(found[task], right[task]))

            threads = [threading.Thread(target=work, args=(first,)) for first in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert failed == []


def test_engines_share_activation_memory_and_give_all_other_back(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, *FP32)
        models = [suite.load(subnet, provider="tensorrt") for subnet in FP32]
        gc.collect()
        assert [size for _, size in vendor.gpu.memory.values()].count(3000) == 1
        for model in models:
            model.close()
    del models, model
    gc.collect()
    assert [size for _, size in vendor.gpu.memory.values()] == [3000]
    assert vendor.gpu.pinned == {}
    assert vendor.gpu.streams == {}


def test_switching_goes_from_engine_to_engine(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32", "s03-fp32")
        with suite.load("s01-fp32", provider="tensorrt") as model:
            assert model.switch("s03-fp32").target == "s03-fp32"
            before = model(images(1))
            with pytest.raises(pliant.EngineUnavailable, match=r"s02-fp32.* is not built: pliant build .*s02-fp32"):
                model.switch("s02-fp32")
            assert model.subnet.id == "s03-fp32"
            for task, array in model(images(1)).items():
                np.testing.assert_array_equal(array, before[task])


def test_engines_of_other_batches_are_measured_apart(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32", settings=replace(HERE, batch=1))
        with suite.load("s01-fp32", provider="tensorrt") as model, pytest.raises(pliant.PliantError, match="--batch"):
            model(images(4))
        first = Book(suite, tuple(suite.tasks), provider="tensorrt").key(suite.subnet("s01-fp32"))
        build(suite, "s01-fp32")
        assert Book(suite, tuple(suite.tasks), provider="tensorrt").key(suite.subnet("s01-fp32")) != first
        # The one for more images serves, whichever was built last.
        build(suite, "s01-fp32", settings=replace(HERE, batch=2))
        with suite.load("s01-fp32", provider="tensorrt") as model:
            model(images(4))


def test_a_plan_chooses_among_engines_that_are_built(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        with pytest.raises(
            pliant.EngineUnavailable, match=r"no engine of .* is built for tensorrt on this machine: pliant"
        ):
            suite.plan(provider="tensorrt", macs="1 G")
        build(suite, "s01-fp32", "s02-fp32")
        plan = suite.plan(provider="tensorrt", latency="10 s")
        assert plan.subnet.id in ("s01-fp32", "s02-fp32")
        assert plan.latency_ms is not None
        assert plan.latency_ms.kind == "measured"
        others = {subnet.id for subnet in suite.subnets} - {"s01-fp32", "s02-fp32"}
        reasons = {each.id: each.reason for each in plan.rejected}
        assert {name for name, reason in reasons.items() if "no engine is built" in reason} == others
        with suite.load(plan) as model:
            assert model.session.provider == "tensorrt"
        with pytest.raises(pliant.BudgetError, match="memory is measured of a process"):
            suite.plan(provider="tensorrt", memory="50 MB")


def test_engines_of_some_tasks_compute_no_others(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32", settings=BuildSettings("tensorrt", tasks=("depth",)))
        with suite.load("s01-fp32", provider="tensorrt", tasks="depth") as model:
            assert list(model(images(1))) == ["depth"]
            assert model.session.engine.engine.num_io_tensors == 2
        with pytest.raises(pliant.EngineUnavailable, match="is not built"):
            suite.load("s01-fp32", provider="tensorrt")


def test_a_damaged_plan_is_told_and_never_run(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        (found,) = build(suite, "s01-fp32")
        plan = EngineCache().plan_path(found.info.key)
        plan.write_bytes(plan.read_bytes()[:-9])
        with pytest.raises(pliant.EngineUnavailable, match="is damaged: pliant build"):
            suite.load("s01-fp32", provider="tensorrt")


def test_an_engine_of_another_version_is_not_found(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32")
        vendor.module.__dict__["__version__"] = "11.5.0"
        with pytest.raises(pliant.EngineUnavailable, match="is not built"):
            suite.load("s01-fp32", provider="tensorrt")


def test_too_large_a_batch_says_how_to_build_for_it(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32")
        with (
            suite.load("s01-fp32", provider="tensorrt") as model,
            pytest.raises(pliant.PliantError, match="not built for 5 images a call: pliant build --batch"),
        ):
            model(images(5))


def test_no_logits_come_out_of_engines(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite, pytest.raises(pliant.BudgetError, match="leave out raw"):
        suite.load("s01-fp32", provider="tensorrt", raw=True)


def test_a_gpu_without_room_leaves_the_old_engine_serving(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32", "s03-fp32")
        with suite.load("s01-fp32", provider="tensorrt") as model:
            before = model(images(1))
            vendor.gpu.room = 10
            with pytest.raises(pliant.EngineUnavailable, match="cudaMalloc: out of memory"):
                model.switch("s03-fp32")
            np.testing.assert_array_equal(model(images(1))["depth"], before["depth"])


def test_an_engine_that_fails_is_an_error_of_pliant(vendor: Vendor, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32")
        with suite.load("s01-fp32", provider="tensorrt") as model:
            vendor.deaf = True
            with pytest.raises(pliant.PliantError, match=r"subnet s01-fp32 of .* failed while it ran"):
                model(images(1))


def test_cuda_says_why_there_is_no_gpu() -> None:
    """With NVIDIA's own bindings, on a machine without a driver."""
    pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    if read_fingerprint().gpus:
        pytest.skip("there is a GPU")
    with pytest.raises(pliant.EngineUnavailable, match="there is no NVIDIA GPU to run an engine on: "):
        load_cuda()


def test_the_fake_has_nothing_that_the_real_bindings_lack(rtx: Bindings) -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    from . import fake

    pairs = {
        fake.Builder: rtx.module.Builder,
        fake.Parser: rtx.module.OnnxParser,
        fake.Runtime: rtx.module.Runtime,
        fake.Engine: rtx.module.ICudaEngine,
        fake.Refitter: rtx.module.Refitter,
        fake.ParserRefitter: rtx.module.OnnxParserRefitter,
        fake.Context: rtx.module.IExecutionContext,
    }
    for ours, real in pairs.items():
        lacking = [name for name in vars(ours) if not name.startswith("_") and not hasattr(real, name)]
        assert lacking == [], f"{real.__name__} has no {lacking}"
    assert [name for name in vars(Gpu) if name.startswith("cuda") and not hasattr(runtime, name)] == []
    assert {"cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost"} <= set(runtime.cudaMemcpyKind.__members__)

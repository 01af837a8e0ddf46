"""An engine is kept only once it is proven: filled, run against its witness, in the precision that its graph says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pliant
from pliant.cli.sample import SAMPLE_SUITE
from pliant.runtime.tensorrt.cache import EngineCache
from pliant.runtime.tensorrt.here import here_for
from pliant.runtime.tensorrt.timing import TimingCache

from ..making import images
from .conftest import HERE, build
from .fake import Vendor

# Configured by TensorRT for RTX, which says that its timing cache does nothing.
pytestmark = pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")


def test_where_refitting_fails_the_plan_has_its_weights(
    vendor: Vendor, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.refits = False
    with pliant.open_suite(path) as suite, caplog.at_level("INFO", "pliant.build"):
        (found,) = build(suite, "s02-fp32")
        assert not found.info.stripped
        assert "s02-fp32 is built with its weights: the engine of s02-fp32 cannot be filled" in caplog.text
        with suite.load("s02-fp32", provider="tensorrt") as model, suite.load("s02-fp32") as other:
            np.testing.assert_array_equal(model(images(1))["depth"], other(images(1))["depth"])


def test_an_old_version_without_the_flags_has_full_plans(vendor: Vendor, path: Path) -> None:
    del vendor.module.__dict__["OnnxParserRefitter"]
    with pliant.open_suite(path) as suite:
        (found,) = build(suite, "s02-fp32")
    assert not found.info.stripped


def test_a_refit_that_computes_wrongly_is_not_kept(vendor: Vendor, path: Path) -> None:
    """As TensorRT 11.3 does by REFIT: only running it tells."""
    vendor.corrupts = True
    with pliant.open_suite(path) as suite:
        (found,) = build(suite, "s02-fp32")
        assert not found.info.stripped
        with suite.load("s02-fp32", provider="tensorrt") as model:
            assert model.session.witness_error < 1e-3


def test_an_engine_that_is_silently_fp32_is_not_kept(vendor: Vendor) -> None:
    vendor.tells = False
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        name = next(subnet.id for subnet in suite.subnets if subnet.id.endswith("int8"))
        with pytest.raises(
            pliant.EngineUnavailable, match=r"was to compute in int8, but has tensors of \d+ fp32 only: not kept"
        ):
            build(suite, name)
    assert EngineCache().all() == []


def test_bindings_that_fail_in_their_own_way_are_engines_that_are_unavailable(
    vendor: Vendor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*given: object) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32")
        monkeypatch.setitem(vendor.module.__dict__, "Runtime", nothing)
        with pytest.raises(pliant.EngineUnavailable, match=r"cannot be loaded: .* nullptr"):
            suite.load("s01-fp32", provider="tensorrt")
        monkeypatch.setitem(vendor.module.__dict__, "Builder", nothing)
        with pytest.raises(pliant.EngineUnavailable, match=r"building s02-fp32 failed: .* nullptr"):
            build(suite, "s02-fp32")


def test_kernels_measured_once_are_lent_to_the_next_build(vendor: Vendor, path: Path, own_cache: Path) -> None:
    class Config:
        """One that takes what it gave itself, and nothing else."""

        given = b""

        def create_timing_cache(self, raw: bytes) -> Any:
            return SimpleNamespace(raw=raw, serialize=lambda: b"measured " + raw)

        def set_timing_cache(self, found: Any, ignore: bool) -> bool:
            assert not ignore, "what another GPU measured must not be taken"
            right = found.raw == b"" or bool(found.raw.startswith(b"measured "))
            self.given = found.raw if right else self.given
            return right

    with pliant.open_suite(path) as suite:
        build(suite, "s01-fp32")
    (kept,) = (own_cache / "engines").glob("*.timing")
    timing, config = TimingCache(own_cache / "engines", here_for(HERE).bindings), Config()
    assert timing.path == kept
    kept.unlink()
    for given in (b"", b"measured ", b"measured measured "):
        timing.keep(timing.lend(config))
        assert config.given == given
    kept.write_bytes(b"of another GPU")
    timing.lend(config)
    assert config.given == b""

"""A machine with a GPU and TensorRT, for the tests of a process: `fake` in the place of what is not here.

As a plugin (`pytest -p pliant.tests.runtime.tensorrt.pretend`) it has the GPU suite run, and pass, on the fake.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.machinery import ModuleSpec

import pytest

from pliant.devices.fingerprint import read_fingerprint
from pliant.runtime.tensorrt import here
from pliant.runtime.tensorrt.bindings import load_bindings

from .fake import Vendor
from .fake_gpu import Gpu

GPU = "RTX A, 580.1, 16384 MiB, 2100 MHz, 70 W"


@contextmanager
def gpu_machine() -> Iterator[Vendor]:
    """With TensorRT 11 and a GPU, as far as pliant can see."""
    made = Vendor(load_bindings("tensorrt-rtx").module, Gpu())
    made.module.__spec__ = ModuleSpec("tensorrt", None)
    machine = replace(read_fingerprint(), gpus=(GPU,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tensorrt", made.module)
        patch.setitem(sys.modules, "cuda.bindings.runtime", made.gpu)
        patch.setattr(here, "read_fingerprint", lambda: machine)
        yield made


@pytest.fixture(scope="session", autouse=True)
def _pretended() -> Iterator[None]:
    with gpu_machine():
        yield

"""Images by DLPack: nothing is copied, and what is wrong is told. Here on the CPU; `make test-tensorrt` on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch.utils.dlpack

import pliant

from .making import images


def test_torch_goes_in_and_comes_out(suite: pliant.Suite) -> None:
    with suite.load("s02-fp32") as model:
        batch = images(3)
        found = model.on_device(torch.from_numpy(batch))
        for task, array in model(batch).items():
            np.testing.assert_array_equal(torch.utils.dlpack.from_dlpack(found[task]).numpy(), array)


def test_only_what_was_asked_for_is_bound(suite: pliant.Suite) -> None:
    with suite.load("s02-fp32", tasks="depth", raw=True) as model:
        assert list(model.on_device(images(1))) == ["depth"]


class Elsewhere:
    """A tensor on an Apple GPU."""

    def __dlpack__(self, **given: Any) -> None:
        raise AssertionError("asked for what it cannot give")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 8, 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((1, 5, 5, 3), np.uint8), r"tensor\(uint8\) \(1, 5, 5, 3\); expected uint8 \(N, "),
        (images(1).astype(np.float32), r"tensor\(float\)"),
        (images(1)[0], r"expected uint8 \(N, "),
        (images(9), "N from 1 to 8"),
        ([[1]], "a list without __dlpack__"),
        (Elsewhere(), "device 8, where cpu does not run"),
        (images(4)[:, ::-1], "cannot be handed over"),
    ],
)
def test_what_is_wrong_is_told(suite: pliant.Suite, given: Any, says: str) -> None:
    with suite.load("s02-fp32") as model, pytest.raises(pliant.InputError, match=says):
        model.on_device(given)


def test_other_colours_are_refused(suite: pliant.Suite) -> None:
    with suite.load("s02-fp32", color="bgr") as model, pytest.raises(pliant.BudgetError, match=r"are RGB: .* with bgr"):
        model.on_device(images(1))

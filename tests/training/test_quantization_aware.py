"""Training that is to bear int8: when it begins to round, and that it learns."""

from __future__ import annotations

import pytest
import torch

from pliant import RecipeError
from pliant.models.network import normalize
from pliant.quantize.fake import FakeInt8
from pliant.training.layout import Inputs
from pliant.training.optimization.auxiliary import Auxiliary
from pliant.training.optimization.objective import Objective
from pliant.training.optimization.step import train_step

from .tiny import SPACE, random_batch, tiny_recipe, tiny_supernet


def losses(share: float, done: float, *settings: str) -> float:
    recipe, net = tiny_recipe(f"training.quantization_aware={share}", *settings).training, tiny_supernet().train()
    images, targets = random_batch()
    objective = Objective(net, recipe, done, Auxiliary(net, recipe))
    found, _ = objective(Inputs(normalize(images, net.architecture), targets), SPACE.narrowest, [])
    return found["total"].item()


def test_only_the_last_share_of_the_steps_rounds() -> None:
    floats = losses(0.0, 0.9)
    assert losses(0.25, 0.7) == floats
    assert losses(0.25, 0.75) != floats
    assert losses(1.0, 0.0) != floats


def test_it_rounds_as_the_engine_that_is_named() -> None:
    unsigned, signed = (losses(1.0, 0.0, f"training.rounding={engine}") for engine in ("onnxruntime", "tensorrt"))
    assert signed != unsigned
    with pytest.raises(RecipeError, match="rounding"):
        tiny_recipe("training.rounding=abacus")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_rounded_steps_learn(precision: str) -> None:
    recipe = tiny_recipe("training.quantization_aware=1", f"training.precision={precision}").training
    net = tiny_supernet()
    images, targets = random_batch()
    inputs = Inputs(normalize(images, net.architecture), targets)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    found = [train_step(net, optimizer, inputs, [SPACE.widest, SPACE.narrowest], recipe, step) for step in range(16)]
    assert found[-1].total < 0.9 * found[0].total


def test_a_rounding_lasts_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights move between passes, so what was rounded in one says nothing in the next."""
    made = []
    original = FakeInt8.__init__

    def counting(self: FakeInt8, *args: object, **keywords: object) -> None:
        made.append(self)
        original(self, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeInt8, "__init__", counting)
    losses(1.0, 0.0)
    losses(1.0, 0.0)
    assert len(made) == 2


def test_a_share_over_one_is_refused() -> None:
    with pytest.raises(RecipeError, match="quantization_aware"):
        tiny_recipe("training.quantization_aware=1.5")

"""A step with CI-KD alone is the plain one spelled out here, bit for bit: levers that are off change nothing."""

from __future__ import annotations

import pytest
import torch

from pliant.models.losses import loss
from pliant.models.network import normalize
from pliant.models.supernet import Supernet
from pliant.training.layout import Inputs
from pliant.training.optimization.sampling import step_subnets, subnets_at
from pliant.training.optimization.schedule import make_optimizer
from pliant.training.optimization.step import train_step

from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet

STEPS = 3


def _plain_step(supernet: Supernet, optimizer: torch.optim.Optimizer, inputs: Inputs, step: int, bf16: bool) -> None:
    """Ground truth for all, prefix CI-KD by cosine from the widest, weight 0.1; gradients clipped at 5."""
    supernet.train()
    optimizer.zero_grad()
    subnets, teacher = step_subnets(SPACE, 0, step, 2), None
    for config in subnets:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            features = supernet.features(inputs.images, config)
            outputs = supernet.decode_features(features, (32, 48), config)
        terms = [1.0 * loss(task, outputs[task.name], inputs.targets[task.name]) for task in supernet.tasks]
        if teacher is not None:
            terms.append(0.1 * _cosine(features, teacher))
        (torch.stack(terms).sum() / len(subnets)).backward()
        teacher = teacher or [feature.detach() for feature in features]
    torch.nn.utils.clip_grad_norm_(supernet.parameters(), 5.0)
    optimizer.step()


def _cosine(student: list[torch.Tensor], teacher: list[torch.Tensor]) -> torch.Tensor:
    def unit(x: torch.Tensor) -> torch.Tensor:
        return x * (x.square().sum(1, keepdim=True) + 1e-12).rsqrt()

    pairs = zip(student, teacher, strict=True)
    distances = [(unit(own.float()) - unit(wide[:, : own.shape[1]].float())).square() for own, wide in pairs]
    return torch.stack([0.5 * distance.sum(1).mean() for distance in distances]).mean()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_levers_that_are_off_change_no_bit(precision: str) -> None:
    settings = (f"training.precision={precision}", "training.subnets=2", "training.sampling=sandwich")
    off = ("training.full_width=0", "training.widest_weight=1", "training.soft_labels.weight=0")
    recipe = tiny_recipe(*settings, *off).training
    ours, plain = tiny_supernet(), tiny_supernet()
    optimizers = [make_optimizer(network, recipe) for network in (ours, plain)]
    images, targets = random_batch()
    inputs = Inputs(normalize(images, ours.architecture), targets)
    for step in range(STEPS):
        subnets = subnets_at(SPACE, recipe, step, STEPS)
        train_step(ours, optimizers[0], inputs, subnets, recipe, step, done=step / STEPS)
        _plain_step(plain, optimizers[1], inputs, step, precision == "bf16")
    expected = plain.state_dict()
    assert not torch.equal(expected["encoder.conv1.weight"], tiny_supernet().state_dict()["encoder.conv1.weight"])
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, expected[name]), name

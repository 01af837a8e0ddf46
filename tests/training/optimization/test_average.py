"""The average is its closed form."""

from __future__ import annotations

import pytest
import torch

from pliant.training.optimization.average import Average, decay_at

from ..tiny import tiny_supernet


def _random(network: torch.nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            else:
                tensor.fill_(step)


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_it_equals_the_weighted_sum_of_all_weights_so_far(decay: float) -> None:
    supernet, steps = tiny_supernet(), 6
    average = Average(supernet, decay)
    seen = [{name: tensor.clone() for name, tensor in supernet.state_dict().items()}]
    for step in range(steps):
        _random(supernet, step)
        average.update(supernet, step)
        seen.append({name: tensor.clone() for name, tensor in supernet.state_dict().items()})
    decays = [decay_at(step, decay) for step in range(steps)]
    shares = [1.0] + [1 - each for each in decays]
    for index, each in enumerate(decays):
        shares[: index + 1] = [share * each for share in shares[: index + 1]]
    assert sum(shares) == pytest.approx(1.0)
    for name, tensor in average.supernet.state_dict().items():
        if tensor.is_floating_point():
            expected = sum((share * each[name] for share, each in zip(shares, seen, strict=True)), torch.zeros(()))
            assert torch.allclose(tensor, expected, atol=1e-5), name
        else:
            assert torch.equal(tensor, seen[-1][name]), name


def test_it_is_a_copy_that_is_not_trained() -> None:
    supernet = tiny_supernet()
    average = Average(supernet, 0.9)
    assert not average.supernet.training
    assert supernet.training
    assert not any(parameter.requires_grad for parameter in average.supernet.parameters())
    before = average.supernet.state_dict()["encoder.conv1.weight"].clone()
    _random(supernet, 1)
    assert torch.equal(average.supernet.state_dict()["encoder.conv1.weight"], before)


def test_the_decay_rises_to_what_was_asked_for() -> None:
    decays = [decay_at(step, 0.99) for step in range(2000)]
    assert decays[0] == 0.1
    assert decays == sorted(decays)
    assert decays[-1] == 0.99

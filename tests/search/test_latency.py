from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from pliant.devices.errors import BudgetError
from pliant.devices.measure import Effort
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.quantize.assignment import Assignment
from pliant.search.latency.model import LatencyModel
from pliant.search.latency.timing import TOGETHER, Timer, quickest_tenth
from pliant.search.pace import Timed

from .making import NAMES, TASKS, make_supernet

SPACE = SearchSpace(4, NAMES)


def truth(config: SubnetConfig) -> float:
    """Milliseconds of a made-up machine, on which a width of a half takes longer than three quarters."""
    stair = {0.25: 0.3, 0.5: 0.9, 0.75: 0.8, 1.0: 1.2}
    encoder = sum(0.5 * width for width in config.encoder) + config.encoder[0] * config.encoder[1]
    return 0.4 + encoder + sum(stair[width] * (0.5 + 0.5 * config.encoder[-1]) for _, width in config.decoders)


def measured(count: int, seed: int = 0, noise: float = 0.0) -> dict[SubnetConfig, float]:
    rng = random.Random(seed)
    configs = [SPACE.sample(rng) for _ in range(count)]
    return {config: truth(config) * (1.0 + noise * rng.uniform(-1, 1)) for config in configs}


def test_sixty_noisy_measurements_tell_of_all_others() -> None:
    model = LatencyModel(SPACE, TASKS, measured(60, noise=0.05))
    others = list(measured(300, seed=1))
    estimated, true = (np.array([of(config) for config in others]) for of in (model, truth))
    assert np.abs(estimated / true - 1.0).mean() < 0.05
    assert kendalltau(estimated, true)[0] > 0.9


@pytest.mark.parametrize("scale", [0.1, 1000.0])
def test_a_slow_device_is_learned_as_well_as_a_fast_one(scale: float) -> None:
    known = measured(60, noise=0.01)
    model = LatencyModel(SPACE, TASKS, known)
    other = LatencyModel(SPACE, TASKS, {config: scale * value for config, value in known.items()})
    for config in measured(20, seed=3):
        assert other(config) == pytest.approx(scale * model(config))


def test_a_thinner_decoder_that_takes_longer_is_seen() -> None:
    decoders = LatencyModel(SPACE, TASKS, measured(60)).decoders(SPACE.widest.encoder)
    assert (decoders[:, 1] > decoders[:, 2]).all()


def test_the_parts_add_up_to_the_whole() -> None:
    model = LatencyModel(SPACE, TASKS, measured(40))
    for config in measured(20, seed=2):
        decoders = model.decoders(config.encoder)
        added = sum(
            decoders[SPACE.tasks.index(task), SPACE.decoder_widths.index(width)] for task, width in config.decoders
        )
        assert model.encoder(config.encoder) + added == pytest.approx(model(config))


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(BudgetError, match="7 measured subnets tell nothing of others: measure 8 at least"):
        LatencyModel(SPACE, TASKS, measured(7))


def test_the_timer_measures_each_subnet_once_and_the_widest_takes_longest() -> None:
    supernet = make_supernet()
    seen: list[tuple[str, int, int]] = []
    configs = [supernet.space.widest, supernet.space.narrowest, supernet.space.widest]
    effort = Effort(runs=42, seconds=1.0, spread=0.05)
    found = Timer(supernet, threads=1)(configs, effort, lambda *at: seen.append(at))
    assert list(found) == configs[:2]
    assert found[supernet.space.widest].milliseconds > found[supernet.space.narrowest].milliseconds > 0.0
    assert {each.pace for each in found.values()} == {found[supernet.space.widest].milliseconds}
    assert seen == [("measuring latency", 0, 2), ("measuring latency", 2, 2)]


def test_every_group_has_its_own_pace_and_all_of_it_as_many_runs() -> None:
    supernet, rng = make_supernet(), random.Random(0)
    configs = [supernet.space.widest, *dict.fromkeys(supernet.space.sample(rng) for _ in range(TOGETHER))][
        : TOGETHER + 1
    ]
    timer, effort = Timer(supernet, threads=1), Effort(runs=6, seconds=0.02, spread=1e9)
    groups = list(timer.in_turns(configs, effort))
    assert [list(group) for group, _ in groups] == [configs[:TOGETHER], configs[TOGETHER:]]
    for group, runs in groups:
        assert set(runs) == {supernet.space.widest, *group}
        assert len({len(times) for times in runs.values()}) == 1, "the widest ran at the same moments as the others"
    kept: dict[SubnetConfig, Timed] = {}
    found = timer(configs, effort, keep=kept.__setitem__)
    assert found == kept
    assert [*found] == configs
    assert len({each.pace for each in found.values()}) == 2
    assert timer([]) == {}


def test_the_quickest_tenth_is_at_least_one_run() -> None:
    assert quickest_tenth([3.0, 1.0, 2.0]) == 1.0
    assert quickest_tenth([*range(10, 30)]) == 10.5


def test_a_precision_that_only_one_subnet_has_is_no_reason_to_fail_when_that_is_held_out() -> None:
    known = measured(40)
    odd = next(iter(known))
    tasks = len(SPACE.tasks)
    named = replace(odd, precision=Assignment("fp32", ("int8",) + ("fp32",) * (tasks - 1)).precision)
    fit = LatencyModel.held_out(SPACE, TASKS, {**known, named: known[odd]})
    assert 0.0 < fit.error < 1.0

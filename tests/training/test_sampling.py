from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pliant.models.space import SearchSpace
from pliant.training.sampling import label, step_subnets

from .tiny import SPACE


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 5))
def test_a_step_trains_both_ends_and_subnets_between(seed: int, step: int, count: int) -> None:
    subnets = step_subnets(SPACE, seed, step, count)
    assert subnets[:2] == [SPACE.widest, SPACE.narrowest]
    assert len(subnets) == 2 + count
    assert all(config in SPACE for config in subnets)


def test_the_draw_depends_on_seed_and_step_only() -> None:
    drawn = [step_subnets(SPACE, 7, step, 2) for step in range(50)]
    assert drawn == [step_subnets(SPACE, 7, step, 2) for step in range(50)]
    assert drawn != [step_subnets(SPACE, 8, step, 2) for step in range(50)]
    assert len({config for subnets in drawn for config in subnets}) > 30


def test_the_draw_is_the_same_on_every_machine() -> None:
    drawn = step_subnets(SPACE, 0, 0, 2)[2:]
    assert [config.encoder for config in drawn] == [(1.0, 0.25, 0.5, 1.0), (0.25, 0.25, 0.25, 0.25)]


def test_every_width_is_drawn() -> None:
    drawn = [step_subnets(SPACE, 0, step, 1)[2] for step in range(200)]
    for stage in range(SPACE.stages):
        assert {config.encoder[stage] for config in drawn} == set(SPACE.encoder_widths)
    for task in SPACE.tasks:
        assert {config.width(f"decoder.{task}") for config in drawn} == set(SPACE.decoder_widths)
    uniform = sum(len(set(config.encoder)) == 1 for config in drawn)
    assert 80 < uniform < 140


def test_a_space_of_one_subnet_trains_it_once() -> None:
    space = SearchSpace(2, ("depth",), (1.0,), (1.0,))
    assert step_subnets(space, 0, 0, 0) == [space.widest]
    assert label(space, space.widest) == "widest"
    assert label(SPACE, SPACE.uniform(0.5, 1.0)) == "encoder 0.5-0.5-0.5-0.5, depth 1, segmentation 1"

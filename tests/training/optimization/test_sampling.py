from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pliant.models.space import SearchSpace, SubnetConfig
from pliant.training.optimization.sampling import Shares, brackets, label, mean_width, step_subnets, subnets_at

from ..tiny import SPACE, tiny_recipe

WIDE = SearchSpace(4, ("depth", "segmentation"), (0.25, 0.5, 0.75, 1.0), (0.25, 1.0), multiple=4)


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
    assert [config.encoder for config in drawn] == [(0.5, 0.5, 0.5, 0.5), (0.25, 0.5, 0.5, 0.5)]


def test_every_width_is_drawn() -> None:
    drawn = [step_subnets(SPACE, 0, step, 1)[2] for step in range(200)]
    for stage in range(SPACE.stages):
        assert {config.encoder[stage] for config in drawn} == set(SPACE.encoder_widths)
    for task in SPACE.tasks:
        assert {config.width(f"decoder.{task}") for config in drawn} == set(SPACE.decoder_widths)
    uniform = sum(len(set(config.encoder)) == 1 for config in drawn)
    assert 80 < uniform < 140


def test_uniform_draws_are_between_the_ends() -> None:
    for rule in ({}, {"stratified": True}):
        drawn = [step_subnets(WIDE, 0, step, 2, shares=Shares(uniform=1.0), **rule)[2:] for step in range(100)]
        assert {config.encoder for pair in drawn for config in pair} == {(0.5,) * 4, (0.75,) * 4}
    assert all({config.encoder[0] for config in pair} == {0.5, 0.75} for pair in drawn), "one in each bracket"
    mixed = [step_subnets(WIDE, 0, step, 1, shares=Shares(uniform=0.0))[2] for step in range(100)]
    assert sum(len(set(config.encoder)) == 1 for config in mixed) < 10
    recipe = tiny_recipe("training.uniform=1", "training.full_width=0").training
    assert len(set(subnets_at(WIDE, recipe, 3, 10)[2].encoder)) == 1


def test_a_space_of_one_subnet_trains_it_once() -> None:
    space = SearchSpace(2, ("depth",), (1.0,), (1.0,))
    assert step_subnets(space, 0, 0, 0) == [space.widest]
    assert label(space, space.widest) == "widest"
    assert label(SPACE, SPACE.uniform(0.5, 1.0)) == "encoder 0.5-0.5-0.5-0.5, depth 1, segmentation 1"


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 4))
def test_a_stratified_step_has_one_subnet_in_each_bracket(seed: int, step: int, count: int) -> None:
    subnets = step_subnets(WIDE, seed, step, count, stratified=True)
    assert subnets[:2] == [WIDE.widest, WIDE.narrowest]
    found = [mean_width(config) for config in subnets[2:]]
    assert len(found) == count
    assert all(config in WIDE for config in subnets)
    for width, (low, high) in zip(found, brackets(WIDE, count), strict=True):
        assert low <= width < high


@given(st.integers(1, 9), st.floats(0.25, 1.0))
@example(5, 0.7)
def test_every_width_lies_in_one_bracket(count: int, width: float) -> None:
    assert sum(low <= width < high for low, high in brackets(WIDE, count)) == 1


def test_stratified_draws_have_uniform_encoders_as_often_and_every_width() -> None:
    drawn = [config for step in range(200) for config in step_subnets(WIDE, 0, step, 2, stratified=True)[2:]]
    uniform = [config for config in drawn if len(set(config.encoder)) == 1]
    assert 0.4 < len(uniform) / len(drawn) < 0.65
    assert {config.encoder[0] for config in uniform} >= {0.5, 0.75}
    for stage in range(WIDE.stages):
        assert {config.encoder[stage] for config in drawn} == set(WIDE.encoder_widths)
    assert drawn != [config for step in range(200) for config in step_subnets(WIDE, 0, step, 2)[2:]]


@pytest.mark.parametrize("stratified", [False, True])
def test_coupled_draws_have_decoders_of_the_encoders_width(stratified: bool) -> None:
    space = SearchSpace(4, WIDE.tasks, WIDE.encoder_widths, WIDE.encoder_widths, multiple=4)

    def drawn(coupled: float) -> list[SubnetConfig]:
        how, shares = {"stratified": stratified}, Shares(uniform=1.0, coupled=coupled)
        return [each for step in range(200) for each in step_subnets(space, 0, step, 2, **how, shares=shares)[2:]]

    same = [each == space.uniform(each.encoder[0], each.encoder[0]) for each in drawn(0.5)]
    assert 0.4 < sum(same) / len(same) < 0.7
    assert all(each == space.uniform(each.encoder[0], each.encoder[0]) for each in drawn(1.0))


def test_where_only_decoders_bend_all_their_widths_are_drawn_as_often() -> None:
    space = SearchSpace(2, ("depth",), (1.0,), (0.25, 0.5, 0.75, 1.0))
    steps = [step_subnets(space, 0, step, 2, stratified=True)[2:] for step in range(200)]
    widths = [config.width("decoder.depth") for drawn in steps for config in drawn]
    assert all(70 < widths.count(width) < 130 for width in space.decoder_widths)


def test_a_bracket_that_the_space_cannot_fill_gets_the_nearest() -> None:
    space = SearchSpace(1, ("depth",), (0.25, 1.0), (1.0,))
    assert {config.encoder for config in step_subnets(space, 0, 0, 4, stratified=True)} == {(0.25,), (1.0,)}


@given(st.integers(0, 10**6))
def test_subnets_taught_by_the_next_wider_are_trained_from_wide_to_narrow(step: int) -> None:
    recipe = tiny_recipe("training.teacher=next", "training.subnets=3", "training.full_width=0").training
    subnets = subnets_at(WIDE, recipe, step, 10**6)
    widths = [mean_width(config) for config in subnets]
    assert widths == sorted(widths, reverse=True)
    assert (subnets[0], subnets[-1]) == (WIDE.widest, WIDE.narrowest)
    plain = tiny_recipe("training.subnets=3", "training.full_width=0").training
    assert sorted(map(repr, subnets)) == sorted(map(repr, subnets_at(WIDE, plain, step, 10**6)))


def test_one_width_only_is_trained_from_the_first_step_on() -> None:
    recipe = tiny_recipe("training.only=0.5").training
    assert all(subnets_at(SPACE, recipe, step, 10) == [SPACE.uniform(0.5)] for step in range(10))

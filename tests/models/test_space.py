"""Configurations and spaces: equality, JSON, refusals."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant import ConfigError
from pliant.models import Channels, SearchSpace, SubnetConfig

from .making import configs

SPACE = SearchSpace(4, ("depth", "edges"), (0.25, 0.5, 1.0), (0.5, 1.0))


@settings(max_examples=30, deadline=None)
@given(configs(SPACE))
def test_config_survives_json(config: SubnetConfig) -> None:
    again = SubnetConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config
    assert hash(again) == hash(config)
    assert config in SPACE


def test_decoder_order_does_not_matter() -> None:
    assert SubnetConfig((1.0,), (("a", 0.5), ("b", 1.0))) == SubnetConfig((1.0,), (("b", 1.0), ("a", 0.5)))


def test_space_survives_json_and_holds_what_it_samples() -> None:
    assert SearchSpace.from_json(json.loads(json.dumps(SPACE.to_json()))) == SPACE
    rng = random.Random(0)
    drawn = {SPACE.sample(rng) for _ in range(4000)}
    assert len(drawn) == SPACE.size == 3**4 * 2**2
    assert all(config in SPACE for config in drawn)


def test_a_space_of_many_tasks_says_its_size_though_that_is_no_length() -> None:
    """Of 28 tasks it has 4 to the 32nd subnets, and `len` can say 2 to the 63rd: OverflowError, in `if space` too."""
    space = SearchSpace(4, tuple(f"task{index}" for index in range(28)))
    assert space.size == 4**32
    assert space


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encodr": 1}, "encodr"),
        ({"_version": 2}, "version"),
        ({"encoder": [0.0]}, "not in"),
        ({"decoders": 3}, "not a"),
        ({"encoder": [10**400]}, "an enormous number"),
        ({"encoder": "1"}, "no list"),
        ({"precision": None}, "no text"),
    ],
)
def test_what_is_no_configuration_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SubnetConfig.from_json({**SPACE.widest.to_json(), **change})


@pytest.mark.parametrize("change", [{"stages": 0}, {"multiple": 0}, {"multiple": -8}])
def test_what_is_no_space_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a stage and a multiple of 1 at least"):
        SearchSpace.from_json({**SPACE.to_json(), **change})


def test_widths_must_ascend_to_one() -> None:
    with pytest.raises(ConfigError, match="end at 1"):
        SearchSpace(4, ("depth",), encoder_widths=(0.5, 0.75))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.sampled_from([1, 4, 8, 16]), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_channels_are_snapped_and_monotone(full: int, multiple: int, a: float, b: float) -> None:
    channels = Channels(full, "encoder.0", multiple)
    low, high = (channels.at(SubnetConfig((width,), ())) for width in sorted((a, b)))
    assert 0 < low <= high <= full
    assert low % multiple == 0 or low == full
    assert channels.at(SubnetConfig((1.0,), ())) == full

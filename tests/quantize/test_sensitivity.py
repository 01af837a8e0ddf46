"""The search for a mixture, on networks whose noise is a formula; with real engines in tests/export."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from pliant.quantize.policy import Policy
from pliant.quantize.sensitivity import Loss, Mixture, blocks_of, mix

TASKS = ("depth", "edges")
LAYERS = (
    *(f"encoder.features.{block}.conv.{layer}" for block in range(6) for layer in range(3)),
    *(f"decoders.{task}.{part}.0" for task in TASKS for part in ("aspp", "fuse", "head")),
)
BLOCKS = blocks_of(LAYERS)
NOISES = st.fixed_dictionaries({block: st.floats(0, 1) for block in BLOCKS})


class Network:
    """Loses a tenth of the noise of all its blocks in int8; counts its evaluations."""

    def __init__(self, noise: Mapping[str, float]):
        self.noise, self.asked = noise, list[Policy]()

    def __call__(self, policy: Policy) -> Loss:
        self.asked.append(policy)
        noise = dict.fromkeys(TASKS, 0.0)
        for block, layers in BLOCKS.items():
            if any(policy.of(layer) == "int8" for layer in layers):
                for task in TASKS if block.startswith("encoder") else [block.split(".")[1]]:
                    noise[task] += self.noise[block]
        return Loss({task: value / 10 for task, value in noise.items()}, noise)


def found(noise: Mapping[str, float], most: float, evaluations: int = 40) -> tuple[Mixture, Network]:
    network = Network(noise)
    return mix(network, Policy(), LAYERS, dict.fromkeys(TASKS, most), evaluations), network


def test_layers_belong_to_residual_blocks_and_decoder_parts() -> None:
    assert blocks_of(
        ["encoder.layer1.0.conv1", "encoder.layer1.0.conv2", "encoder.layer1.1.conv1", "encoder.conv1"]
    ) == {
        "encoder.layer1.0": ("encoder.layer1.0.conv1", "encoder.layer1.0.conv2"),
        "encoder.layer1.1": ("encoder.layer1.1.conv1",),
        "encoder.conv1": ("encoder.conv1",),
    }
    assert len(BLOCKS) == 6 + 2 * 3


def test_layers_whose_channels_are_equalized_together_are_one_block() -> None:
    layers = [
        "encoder.features.0.0",
        "encoder.features.1.conv.0",
        "encoder.features.1.conv.1",
        "encoder.features.2.conv.0",
    ]
    first = ("encoder.features.0.0", "encoder.features.1.conv.0")
    within = ("encoder.features.1.conv.0", "encoder.features.1.conv.1")
    assert blocks_of(layers, [first, within]) == {
        "encoder.features.0": tuple(layers[:3]),
        "encoder.features.2": ("encoder.features.2.conv.0",),
    }
    network = Network({**dict.fromkeys(BLOCKS, 0.001), "encoder.features.1": 0.5})
    joined = [("encoder.features.1.conv.0", "encoder.features.2.conv.1")]
    mixture = mix(network, Policy(), LAYERS, dict.fromkeys(TASKS, 0.01), 40, joined=joined)
    assert mixture.floats == ("encoder.features.1",)
    assert mixture.policy.of("encoder.features.2.conv.0") == "fp32"


def test_nothing_left_in_integers_is_no_mixture() -> None:
    mixture, _ = found(dict.fromkeys(BLOCKS, 1.0), 0.0)
    assert len(mixture.floats) == len(BLOCKS)
    assert max(mixture.loss.drop.values()) == 0.0
    assert not mixture.kept


def test_a_network_that_loses_little_stays_whole() -> None:
    mixture, network = found(dict.fromkeys(BLOCKS, 0.001), 0.01)
    assert (mixture.policy, mixture.floats, mixture.evaluations, mixture.kept) == (Policy(), (), 1, True)
    assert len(network.asked) == 1


def test_one_noisy_block_is_found_and_nothing_else_returns_to_floats() -> None:
    noise = {**dict.fromkeys(BLOCKS, 0.001), "encoder.features.1": 0.5, "decoders.edges.fuse.0": 0.4}
    mixture, network = found(noise, 0.01)
    assert set(mixture.floats) == {"encoder.features.1", "decoders.edges.fuse.0"}
    assert mixture.kept
    # The three blocks of both decoders are measured together.
    assert mixture.evaluations == len(network.asked) == 1 + 6 + 3 + 2
    assert mixture.policy.of("encoder.features.1.conv.2") == "fp32"
    assert mixture.policy.of("decoders.depth.fuse.0") == "int8"


def test_what_another_subnet_taught_is_not_measured_again() -> None:
    noise = {**dict.fromkeys(BLOCKS, 0.001), "encoder.features.1": 0.5}
    first, _ = found(noise, 0.01)
    network = Network(noise)
    second = mix(network, Policy(), LAYERS, dict.fromkeys(TASKS, 0.01), 40, noise=first.noise)
    assert (second.floats, second.kept, second.evaluations) == (("encoder.features.1",), True, 2)


@given(NOISES, st.floats(0.0, 0.3), st.integers(1, 40))
def test_what_it_says_is_what_was_measured(noise: dict[str, float], most: float, evaluations: int) -> None:
    mixture, network = found(noise, most, evaluations)
    assert len(network.asked) == mixture.evaluations <= max(1, evaluations)
    assert network(mixture.policy) == mixture.loss
    held = all(drop <= most for drop in mixture.loss.drop.values())
    assert mixture.kept == (held and len(mixture.floats) < len(BLOCKS))
    floats = {block for block, layers in BLOCKS.items() if mixture.policy.of(layers[0]) == "fp32"}
    assert floats == set(mixture.floats)


@given(NOISES, st.floats(0.0, 0.3))
def test_no_block_returns_to_floats_for_nothing(noise: dict[str, float], most: float) -> None:
    """Without the last one that returned, a task lost more than it may."""
    mixture, network = found(noise, most)
    if mixture.floats:
        fewer = Policy("fewer", tuple((layer, "fp32") for block in mixture.floats[:-1] for layer in BLOCKS[block]))
        assert network(fewer).over(dict.fromkeys(TASKS, most))

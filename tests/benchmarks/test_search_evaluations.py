from __future__ import annotations

from pathlib import Path

from pliant.benchmarks.search.evaluations import measured, subnets_at
from pliant.models.space import SearchSpace

from ..search.making import make_checkpoint, make_data


def test_reusing_and_evaluating_alone_say_the_same(tmp_path: Path) -> None:
    """It raises where they do not."""
    checkpoint = make_checkpoint(tmp_path)
    row = measured(checkpoint, make_data(), pairs=1)
    space = checkpoint.space
    assert row["subnets"] == len(space.decoder_widths)
    assert row["beside"] == len(space.decoder_widths) ** len(space.tasks)
    assert row["alone_a_minute"] > 0
    assert row["reused_a_minute"] > 0


def test_each_pair_has_an_encoder_of_its_own_with_every_decoder_width() -> None:
    space = SearchSpace(4, ("depth", "edges"))
    found = [subnets_at(space, number) for number in range(20)]
    assert found == [subnets_at(space, number) for number in range(20)]
    assert len({configs[0].encoder for configs in found}) > 10
    for configs in found:
        assert len({config.encoder for config in configs}) == 1
        assert [{width for _, width in config.decoders} for config in configs] == [{w} for w in space.decoder_widths]

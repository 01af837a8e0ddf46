"""Batches that are read while a step runs are those that would have been read."""

from __future__ import annotations

from typing import Any

import pytest

from pliant.devices.errors import DataError
from pliant.training.data.ahead import ahead
from pliant.training.data.batches import Batch

from ..tiny import random_batch


def test_batches_come_in_order_and_faults_arrive() -> None:
    made = [Batch(*random_batch(count)) for count in range(1, 8)]
    assert [len(batch) for batch in ahead(iter(made))] == list(range(1, 8))

    def failing() -> Any:
        yield made[0]
        raise DataError("damaged")

    received = ahead(failing())
    assert len(next(received)) == 1
    with pytest.raises(DataError, match="damaged"):
        next(received)

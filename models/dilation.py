"""Stages that are dilated in place of their strides, so that late features keep their size (DeepLab, PAMI 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Reach:
    """How a stage's convolutions step: the first one's stride and dilation, and the dilation of those after it."""

    stride: int
    first: int
    dilation: int

    @property
    def after(self) -> Reach:
        """Of the stage's blocks after the first."""
        return Reach(1, self.dilation, self.dilation)


def reaches(strides: Iterable[int], before: int, output_stride: int, *, dilates_first: bool) -> Iterator[Reach]:
    """Per stage of these strides after a stem of stride `before`: together they step by `output_stride` at most.

    A convolution that loses its stride still reads the grid that it was trained to read, so it keeps the dilation that
    held there; what comes after it has twice as fine a grid and reaches twice as far. Then every second feature is what
    the strided network gives, exactly. With `dilates_first` it reaches twice as far already.
    """
    dilation = 1
    for stride in strides:
        first = dilation
        if before * stride > output_stride:
            stride, dilation = 1, dilation * stride
        before *= stride
        yield Reach(stride, dilation if dilates_first else first, dilation)

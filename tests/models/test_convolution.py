"""Convolutions in another form are the same sums."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pliant.models.convolution import convolve

SIDES = st.integers(1, 9)
FORMATS = st.sampled_from([torch.contiguous_format, torch.channels_last])


@settings(max_examples=60, deadline=None)
@given(st.tuples(SIDES, SIDES), st.sampled_from([1, 3]), st.integers(1, 2), st.integers(1, 7), st.booleans(), FORMATS)
@example((8, 10), 3, 1, 2, True, torch.channels_last)  # the last blocks of MobileNetV2 at output stride 16
@example((4, 5), 3, 1, 6, False, torch.channels_last)  # a branch of the decoders' atrous pyramid on small images
@example((4, 9), 3, 1, 5, False, torch.contiguous_format)  # rows that see only padding, columns that do not
def test_values_and_gradients_are_those_of_conv2d(
    size: tuple[int, int], kernel: int, stride: int, dilation: int, depthwise: bool, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 3, *size, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    weight = torch.randn(3, 1 if depthwise else 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    padding = dilation * (kernel - 1) // 2
    pairs = ((stride, stride), (padding, padding), (dilation, dilation))
    found = convolve(values, weight, bias, *pairs, 3 if depthwise else 1)
    wanted = F.conv2d(values.contiguous(), weight, bias, *pairs, 3 if depthwise else 1)
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    up = torch.randn_like(wanted)
    mine, theirs = (torch.autograd.grad(y, (values, weight, bias), up) for y in (found, wanted))
    for own, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)

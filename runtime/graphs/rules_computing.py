"""How large the results of arithmetic are: element by element, reductions, windows and products.

A rule takes a `Call` and gives what is known of the node's outputs; it refuses what it cannot size.
"""

from __future__ import annotations

import math

from .tracing import Call, Dim, Known, Shape

_MOST = 1 << 31


def same(call: Call) -> list[Known]:
    """As large as the first input."""
    return [Known(call.shape())]


def stretched(call: Call) -> list[Known]:
    """As large as all inputs together, by broadcasting."""
    return [Known(call.broadcast([call.shape(index) for index in range(max(len(call.inputs), 1))]))]


def reduced(call: Call) -> list[Known]:
    """Without the reduced axes, which are an attribute or, in newer operator sets, an input."""
    shape = call.shape()
    named = call.node.attributes.get("axes")
    axes = named if isinstance(named, tuple) else call.numbers(1) if call.has(1) else ()
    if not axes and call.flag("noop_with_empty_axes"):
        return same(call)
    gone = {call.axis(axis, len(shape)) for axis in axes} if axes else set(range(len(shape)))
    return [_without(call, shape, gone)]


def arg_max(call: Call) -> list[Known]:
    """Without one axis."""
    shape = call.shape()
    return [_without(call, shape, {call.axis(call.integer("axis", 0), len(shape))})]


def _without(call: Call, shape: Shape, gone: set[int]) -> Known:
    if call.flag("keepdims", 1):
        return Known(tuple(1 if axis in gone else dim for axis, dim in enumerate(shape)))
    return Known(tuple(dim for axis, dim in enumerate(shape) if axis not in gone))


def convolution(call: Call) -> list[Known]:
    """Windows over height and width; an engine may lay out all patches under them side by side."""
    batch, _, *space = call.image()
    makes, *kernel = call.whole(call.image(1))
    height, width = _windows(call, call.whole(space), tuple(kernel[1:]), rounds_up=False)
    return [Known((batch, makes, height, width), None, math.prod(kernel) * height * width)]


def pooling(call: Call) -> list[Known]:
    """Windows over height and width, the last of which may be cut off."""
    batch, channels, *space = call.image()
    kernel = call.integers("kernel_shape", (0, 0))
    size = _windows(call, call.whole(space), kernel, rounds_up=call.flag("ceil_mode"))
    return [Known((batch, channels, *size))]


def _windows(call: Call, space: tuple[int, ...], kernel: tuple[int, ...], rounds_up: bool) -> tuple[int, int]:
    if call.text("auto_pad", "NOTSET") != "NOTSET":
        call.fail("suites say their padding in numbers, not with auto_pad")
    strides, dilations = call.integers("strides", (1, 1)), call.integers("dilations", (1, 1))
    pads = call.integers("pads", (0, 0, 0, 0))
    if not all(1 <= value <= _MOST for value in (*kernel, *strides, *dilations)) or not 0 <= min(pads) <= max(pads):
        call.fail("its windows are of an impossible size")
    sides = []
    for size, reach, stride, step, before, after in zip(
        space, kernel, strides, dilations, pads[:2], pads[2:], strict=True
    ):
        free = size + before + after - step * (reach - 1) - 1
        side = (free + (stride - 1 if rounds_up else 0)) // stride + 1
        # A window that would begin beyond the image and its first padding is left out.
        if rounds_up and (side - 1) * stride >= size + before:
            side -= 1
        sides.append(side)
    return sides[0], sides[1]


def pooled_globally(call: Call) -> list[Known]:
    """One number for each channel."""
    batch, channels, *_ = call.image()
    return [Known((batch, channels, 1, 1))]


def matrix_product(call: Call) -> list[Known]:
    """The last two axes multiplied, those before stretched."""
    left, right = call.shape(0), call.shape(1)
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2]:
        call.fail("its matrices do not fit each other")
    return [Known((*call.broadcast([left[:-2], right[:-2]]), left[-2], right[-1]))]


def linear(call: Call) -> list[Known]:
    """Gemm: two matrices, each perhaps transposed."""
    left, right = call.shape(0), call.shape(1)
    if len(left) != 2 or len(right) != 2:
        call.fail("its inputs are no matrices")
    rows: tuple[Dim, Dim] = left[::-1] if call.flag("transA") else left
    columns: tuple[Dim, Dim] = right[::-1] if call.flag("transB") else right
    if rows[1] != columns[0]:
        call.fail("its matrices do not fit each other")
    return [Known((rows[0], columns[1]))]

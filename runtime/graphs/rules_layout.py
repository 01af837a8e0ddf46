"""How large the results are of operators that move elements, cut them out, or repeat them.

A rule takes a `Call` and gives what is known of the node's outputs; it refuses what it cannot size. Those that sizes
are computed with (from Shape to Concat, as exporters write it) keep track of the elements too.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from .graph_tensors import MAX_INLINE, Initializer
from .tracing import Call, Dim, Known, Shape

# Times larger in each axis: far beyond what images need, and small enough to multiply safely.
_MAX_SCALE = 16_384


def constant(call: Call) -> list[Known]:
    """A tensor in an attribute."""
    value = call.node.attributes.get("value")
    if not isinstance(value, Initializer) or len(call.node.attributes) != 1:
        call.fail("suites write constants as tensors")
    return [initial(value)]


def initial(item: Initializer) -> Known:
    """A constant; its elements are known where they stand in the graph."""
    if item.value is None or item.dtype.kind not in "iuf":
        return Known(item.shape)
    return Known(item.shape, tuple(item.value.reshape(-1).tolist()))


def identity(call: Call) -> list[Known]:
    """The input itself."""
    return [call.input()._replace(workspace=0)]


def shape_of(call: Call) -> list[Known]:
    """The dimensions of the input, or some of them."""
    shape = call.shape()
    found = shape[call.integer("start", 0) : call.integer("end", len(shape))]
    return [Known((len(found),), found)]


def concat(call: Call) -> list[Known]:
    """Inputs side by side along one axis."""
    inputs = [call.input(index) for index in range(max(len(call.inputs), 1))]
    first = inputs[0].shape
    axis = call.axis(call.integer("axis", 0), len(first))
    rest = first[:axis], first[axis + 1 :]
    if any(len(shape) != len(first) or (shape[:axis], shape[axis + 1 :]) != rest for shape, *_ in inputs):
        call.fail("its inputs do not fit each other")
    if len(inputs) == 1:
        return [Known(first, inputs[0].elements)]
    total = sum(call.whole(shape[axis] for shape, *_ in inputs))
    shape = (*rest[0], total, *rest[1])
    if len(first) != 1 or total > MAX_INLINE or any(one.elements is None for one in inputs):
        return [Known(shape)]
    return [Known(shape, tuple(itertools.chain.from_iterable(one.elements or () for one in inputs)))]


def sliced(call: Call) -> list[Known]:
    """Ranges of some axes."""
    shape, elements, _ = call.input()
    starts, stops = call.numbers(1), call.numbers(2)
    axes = call.numbers(3) if call.has(3) else tuple(range(len(starts)))
    steps = call.numbers(4) if call.has(4) else (1,) * len(starts)
    if not len(starts) == len(stops) == len(axes) == len(steps) or 0 in steps:
        call.fail("its ranges are incomplete")
    out = list(shape)
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        at = call.axis(axis, len(shape))
        (size,) = call.whole([shape[at]])
        out[at] = len(range(size)[start:stop:step])
    if len(shape) == 1 and elements is not None and len(axes) == 1:
        return [Known(tuple(out), elements[starts[0] : stops[0] : steps[0]])]
    return [Known(tuple(out))]


def gathered(call: Call) -> list[Known]:
    """What indices pick along one axis."""
    data, indices = call.input(0), call.input(1)
    axis = call.axis(call.integer("axis", 0), len(data.shape))
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    if len(data.shape) != 1 or data.elements is None or indices.elements is None:
        return [Known(shape)]
    picks = call.whole(indices.elements)
    return [Known(shape, tuple(data.elements[call.axis(pick, len(data.elements))] for pick in picks))]


def split(call: Call) -> list[Known]:
    """Pieces of one axis: of the sizes given, or equal but for the last."""
    shape, parts = call.shape(), len(call.node.outputs)
    axis = call.axis(call.integer("axis", 0), len(shape))
    (size,) = call.whole([shape[axis]])
    if call.has(1):
        sizes = call.numbers(1)
    else:
        each = -(-size // max(parts, 1))
        sizes = (*(each,) * (parts - 1), size - each * (parts - 1))
    if len(sizes) != parts or sum(sizes) != size or call.integer("num_outputs", parts) != parts:
        call.fail("its pieces are not the whole")
    return [Known((*shape[:axis], piece, *shape[axis + 1 :])) for piece in sizes]


def reshaped(call: Call) -> list[Known]:
    """The same elements in other dimensions; 0 keeps one, -1 is what is left."""
    shape, wanted = call.shape(), call.elements(1)
    keeps = not call.flag("allowzero")
    if keeps and any(value == 0 for value in wanted[len(shape) :]):
        call.fail("it keeps an axis that is not there")
    out = [shape[axis] if value == 0 and keeps else value for axis, value in enumerate(wanted)]
    if out.count(-1) > 1:
        call.fail("two axes are to be inferred")
    if -1 in out:
        out[out.index(-1)] = _left(call, shape, [dim for dim in out if dim != -1])
    dims = tuple(None if dim is None else call.whole([dim])[0] for dim in out)
    if dims.count(None) != shape.count(None) or _product(dims) != _product(shape):
        call.fail("it has not as many elements as its input")
    return [Known(dims)]


def _left(call: Call, shape: Shape, others: list[int | float | None]) -> Dim:
    rest = tuple(dim for dim in others if dim is not None)
    left, over = divmod(_product(shape), math.prod(call.whole(rest)) or 1)
    if None in shape and None not in others:
        return call.merged([None, left]) if not over else call.fail("it does not divide its input")
    return left


def _product(shape: Shape) -> int:
    return math.prod([dim for dim in shape if dim is not None])


def flattened(call: Call) -> list[Known]:
    """Two axes, in place of those before and after one."""
    shape = call.shape()
    axis = call.integer("axis", 1)
    at = axis if axis == len(shape) else call.axis(axis, len(shape))
    return [Known((call.merged(shape[:at]), call.merged(shape[at:])))]


def transposed(call: Call) -> list[Known]:
    """The axes in another order."""
    shape = call.shape()
    order = call.integers("perm", tuple(reversed(range(len(shape)))))
    if sorted(order) != list(range(len(shape))):
        call.fail("its axes are not each there once")
    return [Known(tuple(shape[axis] for axis in order))]


def squeezed(call: Call) -> list[Known]:
    """Without some axes of one element, or all of them."""
    shape, elements, _ = call.input()
    given = call.numbers(1) if call.has(1) else [axis for axis, dim in enumerate(shape) if dim == 1]
    axes = {call.axis(axis, len(shape)) for axis in given}
    if any(shape[axis] != 1 for axis in axes):
        call.fail("an axis has more than one element")
    return [Known(tuple(dim for axis, dim in enumerate(shape) if axis not in axes), elements)]


def unsqueezed(call: Call) -> list[Known]:
    """With new axes of one element."""
    shape, elements, _ = call.input()
    rank = len(shape) + len(call.numbers(1))
    axes = {call.axis(axis, rank) for axis in call.numbers(1)}
    rest = iter(shape)
    if len(axes) != rank - len(shape):
        call.fail("an axis is there twice")
    return [Known(tuple(1 if axis in axes else next(rest) for axis in range(rank)), elements)]


def expanded(call: Call) -> list[Known]:
    """Stretched to a size, which is a constant or comes from dimensions."""
    wanted = tuple(None if value is None else call.whole([value])[0] for value in call.elements(1))
    return [Known(call.broadcast([call.shape(), wanted]))]


def padded(call: Call) -> list[Known]:
    """Larger, or smaller, at both ends of some axes."""
    shape, pads = call.shape(), call.numbers(1)
    axes = call.numbers(3) if call.has(3) else tuple(range(len(shape)))
    if len(pads) != 2 * len(axes):
        call.fail("its pads are incomplete")
    out = list(shape)
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        if before or after:
            at = call.axis(axis, len(shape))
            out[at] = call.whole([shape[at]])[0] + before + after
    return [Known(tuple(out))]


def resized(call: Call) -> list[Known]:
    """Height and width times a scale, or of a size."""
    shape = call.shape()
    crops = call.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    if crops or call.text("keep_aspect_ratio_policy", "stretch") != "stretch" or "axes" in call.node.attributes:
        call.fail("suites stretch whole images only")
    by = [index for index in (2, 3) if call.has(index) and call.shape(index) != (0,)]
    if len(by) != 1 or len(call.elements(by[0])) != len(shape):
        call.fail("it needs one scale or one size for each axis")
    return [Known(tuple(_side(call, dim, to, by[0] == 2) for dim, to in zip(shape, call.elements(by[0]), strict=True)))]


def _side(call: Call, dim: Dim, to: int | float | None, is_scale: bool) -> Dim:
    if dim is None and (to is None or (is_scale and to == 1.0)):
        return None
    if dim is None or to is None or not 0 <= to <= (_MAX_SCALE if is_scale else to):
        call.fail("a scale or a size is impossible, or changes the number of images")
    # As engines reckon: in float32, rounded down.
    return int(np.float32(to) * np.float32(dim)) if is_scale else call.whole([to])[0]


def to_space(call: Call) -> list[Known]:
    """Channels laid out as blocks of pixels."""
    batch, channels, height, width = call.image()
    block = max(call.integer("blocksize", 0), 0)
    deep, high, wide = call.whole([channels, height, width])
    if block == 0 or deep % block**2:
        call.fail("its channels are no blocks")
    return [Known((batch, deep // block**2, high * block, wide * block))]


def to_depth(call: Call) -> list[Known]:
    """Blocks of pixels laid out as channels."""
    batch, channels, height, width = call.image()
    block = max(call.integer("blocksize", 0), 0)
    deep, high, wide = call.whole([channels, height, width])
    if block == 0 or high % block or wide % block:
        call.fail("its pixels are no blocks")
    return [Known((batch, deep * block**2, high // block, wide // block))]

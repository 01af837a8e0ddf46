"""How much an engine will lay out for a graph, told before it sees it: all activations of one image, and a bound.

Shapes are followed through every node, from the image and the constants on. Networks make some hundreds of elements
for each pixel; a few bytes of Concat, Pad or Resize could ask for terabytes. The image itself stands in the file, as
the witness's input: so what an engine needs to answer it is in proportion to the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ...devices.errors import SuiteError
from .graph_tensors import MAX_ELEMENTS, MAX_RANK, Initializer, Value
from .node import Node
from .operators import results
from .rules_layout import initial
from .tracing import Call, Known, Shape

PER_PIXEL = 16_384
"""Elements that a graph may make for each pixel of its image: all activations together."""
AT_LEAST = 1 << 24
"""Elements that a graph may make however small its image is."""


def allowed(height: int, width: int) -> int:
    """The bound, for images of this size."""
    return max(PER_PIXEL * height * width, AT_LEAST)


def count_activations(
    nodes: Iterable[Node], initializers: Mapping[str, Initializer], image: Value, outputs: Mapping[str, Value]
) -> int:
    """Elements of all activations for one image of a call.

    SuiteError where one cannot be sized, where they are too many, or where an output is not what the graph declares.
    """
    shape = _image_shape(image)
    limit = allowed(shape[1] or 0, shape[2] or 0)
    # Weights are dequantized as they come, once, as many as the file holds: no activations.
    weights = {name: math.prod(item.shape) for name, item in initializers.items() if item.value is None}
    known: dict[str, Known | None] = {name: initial(item) for name, item in initializers.items()}
    known[image.name] = Known(shape)
    known[""] = None
    total = 0
    for node in nodes:
        made = results(Call(node, [known[name] for name in node.inputs]))
        spare = weights.pop(node.inputs[0], 0) if node.inputs else 0
        for name, value in zip(node.outputs, made, strict=False):
            total += max(_count(node, value.shape) - spare, 0)
            if total > limit or value.workspace > limit:
                raise SuiteError(
                    f"a graph asks for more than {limit} elements for one image, at its {node.op}: "
                    f"a suite may make {PER_PIXEL} a pixel"
                )
            if name:
                known[name] = value
    for name, declared in outputs.items():
        _check_output(declared, known[name])
    return total


def _image_shape(image: Value) -> Shape:
    shape = tuple(dim if isinstance(dim, int) else None for dim in image.dims)
    if len(shape) != 4 or None in shape[1:]:
        raise SuiteError("a graph must take images of one size, (N, H, W, 3)")
    return shape


def _count(node: Node, shape: Shape) -> int:
    """Elements for each image. Sizes stay small numbers even where an axis of none makes the product zero."""
    elements, batches = 1, 0
    # An axis of one costs no element: a Gather after another would double them for ever.
    if len(shape) > MAX_RANK:
        raise SuiteError(f"a graph's {node.op} makes something of more than {MAX_RANK} dimensions")
    for dim in shape:
        if dim is None:
            batches += 1
        elif 0 <= dim <= MAX_ELEMENTS:
            elements *= dim
        else:
            raise SuiteError(f"a graph's {node.op} makes something of impossible dimensions")
    if batches > 1:
        raise SuiteError(f"a graph's {node.op} makes something that grows with the square of the images in a call")
    return elements


def _check_output(declared: Value, made: Known | None) -> None:
    shape = () if made is None else made.shape
    same = len(shape) == len(declared.dims) and all(
        dim == said if isinstance(said, int) else True for dim, said in zip(shape, declared.dims, strict=True)
    )
    if not same:
        raise SuiteError(f"a graph has the output {declared.name[:100]!r} in another size than it declares")

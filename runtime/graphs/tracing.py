"""What is known of a graph's values before it runs: their dimensions, and the elements of small constants.

One dimension may be N, the number of images in a call, written None. At most one dimension of a value is: so whatever
a graph makes grows with N and no faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from ...devices.errors import SuiteError
from .node import Node

Dim = int | None
Shape = tuple[Dim, ...]
Elements = tuple[int | float | None, ...]


class Known(NamedTuple):
    """A value: its shape, its elements where they are known, in order, and what making it takes beside it.

    `workspace` is elements that an engine may lay out while it makes the value (the patches of a convolution).
    """

    shape: Shape
    elements: Elements | None = None
    workspace: int = 0


class Call:
    """A node with what is known of its inputs. Every reading that goes wrong is a SuiteError that names the node."""

    __slots__ = ("inputs", "node")

    def __init__(self, node: Node, inputs: list[Known | None]):
        self.node = node
        self.inputs = inputs

    def fail(self, why: str) -> NoReturn:
        """Refuse this node."""
        raise SuiteError(f"a graph's {self.node.op} cannot be sized before it runs: {why}")

    def has(self, index: int) -> bool:
        """Whether the input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int = 0) -> Known:
        """An input that must be given."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            self.fail(f"it has no input {index}")
        return found

    def shape(self, index: int = 0) -> Shape:
        """The dimensions of an input that must be given."""
        return self.input(index).shape

    def image(self, index: int = 0) -> Shape:
        """The dimensions of an input with two spatial axes."""
        shape = self.shape(index)
        if len(shape) != 4:
            self.fail(f"its input {index} has {len(shape)} axes in place of 4")
        return shape

    def elements(self, index: int) -> Elements:
        """The elements of an input on which a size depends: a constant, or computed from dimensions alone."""
        found = self.input(index).elements
        if found is None:
            self.fail(f"its input {index} is no constant in the graph")
        return found

    def numbers(self, index: int) -> tuple[int, ...]:
        """Elements that must be whole numbers, the same for every N."""
        return self.whole(self.elements(index))

    def whole(self, values: Iterable[int | float | None]) -> tuple[int, ...]:
        """The values, each of which must be a whole number."""
        given = tuple(values)
        found = tuple([value for value in given if type(value) is int])
        if len(found) != len(given):
            self.fail("it needs whole numbers that do not depend on the number of images")
        return found

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.node.attributes.get(name, default)
        if type(value) is not int:
            self.fail(f"its {name[:60]} is no whole number")
        return value

    def flag(self, name: str, default: int = 0) -> bool:
        """An attribute that is 0 or 1."""
        value = self.integer(name, default)
        if value not in (0, 1):
            self.fail(f"its {name[:60]} is neither 0 nor 1")
        return value == 1

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An attribute that is a list of whole numbers, as long as the default."""
        value = self.node.attributes.get(name)
        if value is None and name not in self.node.attributes:
            return tuple(default)
        if type(value) is not tuple or len(value) != len(default):
            self.fail(f"its {name[:60]} is no list of {len(default)} whole numbers")
        return value

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        value = self.node.attributes.get(name, default.encode())
        if type(value) is not bytes:
            self.fail(f"its {name[:60]} is no text")
        return value.decode("utf-8", "replace")

    def axis(self, axis: int, rank: int) -> int:
        """The axis counted from the front; SuiteError where there is none."""
        if not -rank <= axis < rank:
            self.fail(f"it has no axis {axis}")
        return axis % rank

    def merged(self, dims: Sequence[Dim]) -> Dim:
        """Several axes as one."""
        fixed = math.prod(dim for dim in dims if dim is not None)
        if None not in dims:
            return fixed
        if fixed != 1 or dims.count(None) > 1:
            self.fail("it merges the images of a call with another axis")
        return None

    def broadcast(self, shapes: Sequence[Shape]) -> Shape:
        """The shape that all of these are stretched to."""
        first = shapes[0]
        if all(shape == first for shape in shapes):
            return first
        rank = max(map(len, shapes))
        out: list[Dim] = [1] * rank
        for shape in shapes:
            for axis, dim in enumerate(shape, rank - len(shape)):
                if dim == 1 or dim == out[axis]:
                    continue
                if out[axis] != 1:
                    self.fail(f"{_shown(shape)} does not fit the others")
                out[axis] = dim
        return tuple(out)


def _shown(shape: Shape) -> str:
    return f"({', '.join('N' if dim is None else str(dim)[:20] for dim in shape[:9])})"

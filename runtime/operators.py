"""The operators that a suite's graph may use: what lowered networks are made of, none that loops or reads files.

Operators that can blow a tensor up take their sizes from small constants only, so that a few bytes cannot ask for
terabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..devices.errors import SuiteError

_MAX_SCALE = 1024
_MAX_SIZE = 16_384

KNOWN = frozenset(
    """
    Add AveragePool ArgMax BatchNormalization Cast Ceil Clip Concat Constant Conv DepthToSpace DequantizeLinear Div
    Equal Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater HardSigmoid HardSwish
    Identity InstanceNormalization LayerNormalization LeakyRelu Less Log MatMul Max MaxPool Min Mul Neg Abs Pad Pow
    PRelu QuantizeLinear Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize Round Shape
    Sigmoid Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905
)
"""Operators of the standard domain."""

SIZED = {"Resize": (2, 3), "Expand": (1,), "Pad": (1,)}
"""Which inputs say how large the output becomes."""


class Constant(Protocol):
    """An initializer: `value` is None where it is external."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def value(self) -> np.ndarray[Any, Any] | None:
        """Its data, where inline."""


def check_node(op: str, constants: Sequence[Constant | None]) -> None:
    """Refuse an unknown operator, or sizes out of bounds; `constants` has the initializer of each input, or None."""
    if op not in KNOWN:
        raise SuiteError(f"a graph uses the operator {op[:60]!r}, which suites may not: a newer pliant may know it")
    for index in SIZED.get(op, ()):
        constant = constants[index] if index < len(constants) else None
        if constant is not None and constant.value is not None:
            check_size(op, constant.value)


def check_size(op: str, value: np.ndarray[Any, Any]) -> None:
    """Refuse scales or sizes that blow a tensor up beyond what images need."""
    limit = _MAX_SCALE if value.dtype.kind == "f" else _MAX_SIZE
    if not np.all(np.abs(value.astype(np.float64)) <= limit):
        raise SuiteError(f"a graph's {op} asks for sizes beyond {limit}")

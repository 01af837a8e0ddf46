"""The operators that a suite's graph may use: what lowered networks are made of, none that loops or reads files.

Each has a rule that tells how large its results are, so that what an engine will lay out is known before it sees the
graph (`activations`). An operator whose rule cannot tell is refused where it stands.
"""

from __future__ import annotations

from collections.abc import Callable

from ...devices.errors import SuiteError
from . import rules_computing as computing
from . import rules_layout as layout
from .tracing import Call, Known

Rule = Callable[[Call], list[Known]]

_SAME = """
    Abs BatchNormalization Cast Ceil Clip DequantizeLinear Erf Exp Floor Gelu HardSigmoid HardSwish
    InstanceNormalization LayerNormalization LeakyRelu Log Neg PRelu QuantizeLinear Reciprocal Relu Round Sigmoid
    Softmax Softplus Sqrt Tanh
    """.split()  # noqa: SIM905
_STRETCHED = ("Add", "Div", "Equal", "Greater", "Less", "Max", "Min", "Mul", "Pow", "Sub", "Where")
_REDUCED = ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")

RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, computing.same),
    **dict.fromkeys(_STRETCHED, computing.stretched),
    **dict.fromkeys(_REDUCED, computing.reduced),
    "ArgMax": computing.arg_max,
    "AveragePool": computing.pooling,
    "Concat": layout.concat,
    "Constant": layout.constant,
    "Conv": computing.convolution,
    "DepthToSpace": layout.to_space,
    "Expand": layout.expanded,
    "Flatten": layout.flattened,
    "Gather": layout.gathered,
    "Gemm": computing.linear,
    "GlobalAveragePool": computing.pooled_globally,
    "GlobalMaxPool": computing.pooled_globally,
    "Identity": layout.identity,
    "MatMul": computing.matrix_product,
    "MaxPool": computing.pooling,
    "Pad": layout.padded,
    "Reshape": layout.reshaped,
    "Resize": layout.resized,
    "Shape": layout.shape_of,
    "Slice": layout.sliced,
    "SpaceToDepth": layout.to_depth,
    "Split": layout.split,
    "Squeeze": layout.squeezed,
    "Transpose": layout.transposed,
    "Unsqueeze": layout.unsqueezed,
}
"""Operators of the standard domain, and how large what they make is."""


def results(call: Call) -> list[Known]:
    """What is known of a node's outputs; SuiteError for an unknown operator, or one whose results cannot be sized."""
    rule = RULES.get(call.node.op)
    if rule is None:
        op = call.node.op[:60]
        raise SuiteError(f"a graph uses the operator {op!r}, which suites may not: a newer pliant may know it")
    made = rule(call)
    if len(call.node.outputs) > len(made):
        call.fail("it has more outputs than suites use")
    return made

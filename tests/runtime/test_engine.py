"""What an engine says reaches people as one printable line, whatever a suite's author called things."""

from __future__ import annotations

import onnx
import pytest

import pliant
from pliant.runtime.engine import create_session, one_line

from .making import Made


def test_a_message_is_one_printable_line() -> None:
    line = one_line(RuntimeError("node \x1b]0;pwned\x07\n\x9b31m is \u202ewrong"))
    assert line == "node ?]0;pwned? ?31m is ?wrong"
    assert len(one_line(RuntimeError("x" * 1000))) == 300


def test_a_refused_node_cannot_write_to_the_terminal(made: Made) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(made.models["s01-fp32"])
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    node.name = "\x1b[2Jevil"
    node.attribute.append(onnx.helper.make_attribute("strides", [7, 7, 7]))
    with pytest.raises(pliant.SuiteError, match="evil") as caught:
        create_session(model.SerializeToString(), {}, "cpu", 1, "a test")
    assert str(caught.value).isprintable()

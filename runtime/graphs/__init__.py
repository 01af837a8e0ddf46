"""ONNX graphs of strangers, read without onnx: checked, bounded, pruned to the tasks asked for.

protobuf       wire format, bounded
onnx_fields    the few fields of ONNX that a suite may use
node, graph_tensors  nodes, attributes and initializers
graph          a model: parsed, checked, pruned, written
operators      what may stand in a graph, each with its rule
rules_computing, rules_layout  how large an operator's answer is
tracing        the sizes that rules speak of
folding        batch norms that become part of the convolutions before them
activations    the most that a graph may take, before an engine sees it
"""

MAX_GRAPH_BYTES = 2 << 20
"""Of one graph, its weights left out."""

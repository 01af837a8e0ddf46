"""The ONNX template: the widest subnet, exported once; `narrow` makes every other subnet's graph from it.

The exporter (`torch.onnx.export`, dynamo) is asked not to optimize, since its optimizer folds batch norm into the
weights, which are then no slices of anything. What it leaves behind (constants computed at run time, biases of zeros,
shapes of shapes) is cleaned with passes of onnx_ir and onnxscript and with those of `cleaning`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes import common as passes
from onnxscript.optimizer import fold_constants

from ..devices.errors import ExportError
from ..models.extract import extract_subnet
from ..models.supernet import Supernet
from ..runtime.graphs.graph_tensors import LOCATION, MAX_INLINE
from .cleaning import CLEANING
from .deployed import Deployed
from .faster import FASTER
from .naming import name_by_module

OPSET = 18
"""Of the exporter itself (no conversion), and within what TensorRT 10.3 and onnxruntime 1.23 read."""

_FOLD_LIMIT = 1 << 20
_MOST_KEPT = 8
_kept: dict[Hashable, onnx.ModelProto] = {}
"""Templates by what they depend on, the latest last."""


def widest_template(supernet: Supernet) -> onnx.ModelProto:
    """The template of a supernet, at the size of image that it was made for.

    Weights play no part in it, and the exporter takes many seconds: supernets of one shape share what was exported
    once. Each call gives a copy.
    """
    key = _shape_of(supernet)
    found = _kept.pop(key, None) or _exported(supernet)
    _kept[key] = found
    if len(_kept) > _MOST_KEPT:
        del _kept[next(iter(_kept))]
    template = onnx.ModelProto()
    template.CopyFrom(found)
    return template


def _shape_of(supernet: Supernet) -> Hashable:
    """All that a template depends on: what it was built as, and its tensors but for what they hold."""
    tensors = tuple((name, tuple(each.shape), each.dtype) for name, each in supernet.state_dict().items())
    return type(supernet), supernet.architecture, supernet.tasks, supernet.space, tensors


def _exported(supernet: Supernet) -> onnx.ModelProto:
    shape = supernet.architecture
    # A search leaves its supernet on the GPU; the exporter's example image is on the CPU.
    plain = extract_subnet(supernet, supernet.space.widest).cpu()
    return export_template(Deployed(plain, shape, supernet.tasks), (shape.height, shape.width))


def export_template(deployed: Deployed, image_size: tuple[int, int]) -> onnx.ModelProto:
    """The weightless graph of a plain network, with batch norm unfolded and a dynamic batch `N`.

    Nodes and initializers are named by module path. Raises ExportError where the exporter cannot follow the network.
    """
    height, width = image_size
    deployed = deployed.eval()
    images = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                deployed,
                (images,),
                dynamo=True,
                optimize=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=deployed.output_names,
                dynamic_shapes={"images": {0: torch.export.Dim("N", min=1, max=1 << 16)}},
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the network cannot be exported to ONNX: {reason}") from error
    if program is None:
        raise ExportError("the exporter returned no model; export with torch's dynamo exporter")
    return weightless(clean(program.model))


def clean(model: ir.Model) -> ir.Model:
    """Fold what is constant, keep what is a parameter, name everything by module path; in place."""
    passes.InlinePass()(model)
    fold_constants(model, input_size_limit=_FOLD_LIMIT, output_size_limit=_FOLD_LIMIT)
    # Before constants become initializers: merging equal initializers would merge parameters that are equal by chance.
    passes.CommonSubexpressionEliminationPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    for rewrite in (*CLEANING, *FASTER):
        rewrite(model.graph)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    name_by_module(model.graph)
    passes.ClearMetadataAndDocStringPass()(model)
    model.graph.name = "pliant"
    return model


def weightless(model: ir.Model) -> onnx.ModelProto:
    """The model as protobuf, its parameters declared as external data; value shapes inside the graph dropped."""
    arrays = dict(model.graph.initializers)
    proto = ir.serde.serialize_model(model)
    for tensor in proto.graph.initializer:
        value = arrays[tensor.name].const_value
        if value is not None and is_parameter(tensor.name, value.dtype, value.size):
            declare_external(tensor)
    del proto.graph.value_info[:]
    del proto.metadata_props[:]
    proto.producer_name, proto.producer_version = "pliant", ""
    return proto


def is_parameter(name: str, dtype: ir.DataType, size: int) -> bool:
    """Whether an initializer is fed from the suite rather than kept in the graph."""
    floating = dtype.is_floating_point()
    # Shapes, axes, normalization and clip bounds stay in the graph.
    return size > MAX_INLINE or (floating and not name.startswith("constant/"))


def declare_external(tensor: onnx.TensorProto) -> None:
    """Drop a tensor's data and say that it comes from outside; in place."""
    kept = (tensor.name, list(tensor.dims), tensor.data_type)
    tensor.Clear()
    tensor.name, tensor.data_type = kept[0], kept[2]
    tensor.dims.extend(kept[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=LOCATION)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says on every run and nobody can act on: absent torchvision, its own deprecations."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch.export deep-copies its own tree specifications in a way that torch 2.13 deprecates.
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)", category=FutureWarning)
            yield
    finally:
        registry.setLevel(level)

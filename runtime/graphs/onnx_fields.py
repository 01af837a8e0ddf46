"""Which fields of ONNX's messages a suite's graph may use (numbers from onnx.proto3, IR version 13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .protobuf import BYTES, FLOAT, FLOATS, INT, INTS, REPEATED, Schema

_I, _IS, _F, _FS, _B, _BS = INT, INTS, FLOAT, FLOATS, BYTES, REPEATED

MODEL: Schema = {
    1: _I,  # ir_version
    2: _B,  # producer_name
    3: _B,  # producer_version
    4: _B,  # domain
    5: _I,  # model_version
    6: _B,  # doc_string
    7: _B,  # graph
    8: _BS,  # opset_import
    14: _BS,  # metadata_props; training_info, functions and configuration are refused
}
GRAPH: Schema = {
    1: _BS,  # node
    2: _B,  # name
    5: _BS,  # initializer
    10: _B,  # doc_string
    11: _BS,  # input
    12: _BS,  # output
    13: _BS,  # value_info, dropped; sparse initializers are refused
    16: _BS,  # metadata_props
}
NODE: Schema = {
    1: _BS,  # input
    2: _BS,  # output
    3: _B,  # name
    4: _B,  # op_type
    5: _BS,  # attribute
    6: _B,  # doc_string
    7: _B,  # domain
    9: _BS,  # metadata_props; overload and device configurations are refused
}
ATTRIBUTE: Schema = {
    1: _B,  # name
    2: _F,  # f
    3: _I,  # i
    4: _B,  # s
    5: _B,  # t; g and graphs (subgraphs), sparse tensors, types and references are refused
    7: _FS,  # floats
    8: _IS,  # ints
    9: _BS,  # strings
    13: _B,  # doc_string
    20: _I,  # type
}
TENSOR: Schema = {
    1: _IS,  # dims
    2: _I,  # data_type; segment and string_data are refused
    4: _FS,  # float_data
    5: _IS,  # int32_data
    7: _IS,  # int64_data
    8: _B,  # name
    9: _B,  # raw_data
    12: _B,  # doc_string
    13: _BS,  # external_data
    14: _I,  # data_location
    16: _BS,  # metadata_props
}
OPSET: Schema = {1: _B, 2: _I}  # domain, version
ENTRY: Schema = {1: _B, 2: _B}  # key, value
VALUE: Schema = {1: _B, 2: _B, 3: _B, 4: _BS}  # name, type, doc_string, metadata_props
TYPES: Schema = {1: _B, 6: _B}  # tensor_type, denotation; sequences, maps and others are refused
TYPE: Schema = {1: _I, 2: _B}  # elem_type, shape
SHAPE: Schema = {1: _BS}  # dim
DIMENSION: Schema = {1: _I, 2: _B, 3: _B}  # dim_value, dim_param, denotation

DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
}

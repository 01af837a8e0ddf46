from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pliant.devices.dialect import all_dialects, get_dialect, read_dialect
from pliant.devices.errors import ConfigError
from pliant.devices.targets import all_targets


def entry(**changes: Any) -> dict[str, Any]:
    return {"_version": 1, **dataclasses.asdict(get_dialect("tensorrt")), **changes}


def test_each_engine_that_a_board_names_has_a_dialect() -> None:
    assert {engine for target in all_targets().values() for engine in target.engines} <= set(all_dialects())


def test_a_board_and_its_first_engine_agree_on_the_type_of_activations() -> None:
    for target in all_targets().values():
        if target.int8 is not None:
            assert get_dialect(target.engines[0]).activations == target.int8.activations, target.name


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"bias": "int16"}, "'int16' is none of int32, float32"),
        ({"activations": "int4"}, "'int4' is none of"),
        ({"_version": 2}, "version 2"),
        ({"speed": 1}, "unknown or missing key 'speed'"),
        ({"sources": ()}, "cites no source for activations, symmetric"),
    ],
)
def test_a_wrong_dialect_is_refused_by_name(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"dialect 'tensorrt'.*{text}"):
        read_dialect(entry(**changes))


def test_an_unknown_dialect_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="no engine's dialect is called 'openvino': there are cuda, onnxruntime"):
        get_dialect("openvino")

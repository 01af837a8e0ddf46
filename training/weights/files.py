"""Reading files of weights: safetensors, `.npz`, or what `torch.save` wrote, none of it able to run code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ...devices.errors import DataError
from ..data.damage import DAMAGE

# Where training programs keep the weights in what they save, averaged ones first: they are the better ones.
_INNER = ("state_dict_ema", "model_ema", "state_dict", "model")
# Not quantized, float8 or complex ones: torch cannot tell whether all of those are finite, nor put them into a network.
_PLAIN = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8}
_PLAIN |= {torch.int8, torch.int16, torch.int32, torch.int64}
_DAMAGE: tuple[type[Exception], ...] = (SafetensorError, *DAMAGE)
_KINDS = ".safetensors, .npz, .pt, .pth or .bin"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, from a file whose suffix says what it is.

    `.safetensors`; `.npz` without pickles; `.pt`, `.pth` and `.bin` with `weights_only`, the tensors on top or under
    `state_dict` or `model`. Raises DataError where the file is missing, of another kind, damaged, not finite, or
    holds tensors that are not plain numbers in memory.
    """
    if not path.exists():
        raise DataError(f"no pretrained weights at {path}: put the file there, or set model.pretrained=null")
    readers = {".safetensors": load_file, ".npz": _npz, ".pt": _saved, ".pth": _saved, ".bin": _saved}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is not called {_KINDS}: pretrained weights are read from those")
    try:
        with warnings.catch_warnings():
            # torch and numpy warn of files in old layouts; whether this one can be read is told by reading it.
            warnings.simplefilter("ignore")
            weights: dict[str, Tensor] = reader(path)
    except _DAMAGE as error:
        raise DataError(f"{path} holds no plain tensors: {_short(error)}") from error
    for name, tensor in weights.items():
        if tensor.dtype not in _PLAIN or tensor.layout != torch.strided or tensor.is_meta:
            raise DataError(f"{path}: {name} is {_kind(tensor)}: save the weights as plain float32 tensors")
    spoilt = [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]
    if spoilt:
        raise DataError(f"{path} is damaged: {spoilt[0]} is not finite; get the file again")
    return weights


def _kind(tensor: Tensor) -> str:
    if tensor.is_meta:
        return "a meta tensor, which has a shape and no values"
    layout = "" if tensor.layout == torch.strided else f" ({tensor.layout})"
    return f"{tensor.dtype}{layout}".replace("torch.", "")


def _npz(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is no archive")
        return {name: torch.from_numpy(np.array(archive[name], order="C")) for name in archive.files}


def _saved(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, AttributeError, AssertionError) as error:
        raise ValueError(_short(error)) from error
    return _tensors(content)


def _tensors(content: Any) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        for key in _INNER:
            if isinstance(content.get(key), Mapping):
                return _tensors(content[key])
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return {str(name): tensor.detach() for name, tensor in content.items()}
    raise ValueError(f"it has no tensors by name, neither on top nor under {', '.join(_INNER)}")


def _short(error: Exception) -> str:
    """The first sentence of what a library says; torch's advice to trust the file is not ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:200]

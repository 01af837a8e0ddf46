"""Which supernet, and which images: digests that tell whether evaluations may be used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from torch import Tensor

from ...models.supernet import Supernet
from ...training.data.batches import Batch


def supernet_digest(supernet: Supernet) -> str:
    """sha256 over architecture, tasks, space and every parameter and buffer."""
    shape = {
        "architecture": supernet.architecture.to_json(),
        "tasks": {task.name: task.to_json() for task in supernet.tasks},
        "space": supernet.space.to_json(),
    }
    found = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for name, tensor in sorted(supernet.state_dict().items()):
        _add(found, name, tensor)
    return found.hexdigest()


def batches_digest(*groups: Iterable[Batch]) -> str:
    """sha256 over the images and targets of batches, group by group."""
    found = hashlib.sha256()
    for index, batches in enumerate(groups):
        for batch in batches:
            _add(found, f"{index}/images", batch.images)
            for task, target in sorted(batch.targets.items()):
                _add(found, f"{index}/{task}", target)
    return found.hexdigest()


def _add(found: hashlib._Hash, name: str, tensor: Tensor) -> None:
    array = tensor.detach().cpu().contiguous().numpy()
    found.update(f"{name} {array.dtype} {array.shape}".encode())
    found.update(array.tobytes())

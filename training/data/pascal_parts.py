"""Human parts of PASCAL-Part, as its `.mat` files have them: objects with masks, each with parts with masks.

Twenty-four named parts are joined into six, as in the multi-task repositories; left and right are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...devices.errors import DataError
from .readers import damaged, read_matlab

Array = npt.NDArray[Any]
PARTS = ("background", "head", "torso", "upper_arms", "lower_arms", "upper_legs", "lower_legs")
_PERSON = 15
_HEAD = ("hair", "head", "lear", "lebrow", "leye", "mouth", "nose", "rear", "rebrow", "reye")
_JOINED = {
    **dict.fromkeys(_HEAD, 1),
    **dict.fromkeys(("neck", "torso"), 2),
    **dict.fromkeys(("luarm", "ruarm"), 3),
    **dict.fromkeys(("lhand", "llarm", "rhand", "rlarm"), 4),
    **dict.fromkeys(("luleg", "ruleg"), 5),
    **dict.fromkeys(("lfoot", "llleg", "rfoot", "rlleg"), 6),
}


def human_parts(path: Path) -> Array | None:
    """uint8 (H,W) of the numbers of `PARTS`; None where no person's parts are drawn: that is not known, not empty.

    Raises DataError where the file is missing, damaged or laid out in another way.
    """
    content = read_matlab(path)
    try:
        drawn = list(_drawn(content))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, error) from error
    if not drawn:
        return None
    parts = np.zeros(drawn[0][1].shape, dtype=np.uint8)
    for name, mask in drawn:
        if name not in _JOINED or mask.ndim != 2 or mask.shape != parts.shape:
            raise DataError(f"{path} has a part {name!r} of the size {list(mask.shape)}, which is none: copy it again")
        parts[mask] = _JOINED[name]
    return parts


def _drawn(content: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    """(name, mask) of each part of each person; without any, Matlab writes `parts` as an empty array of numbers."""
    for thing in content["anno"][0]["objects"]:
        if int(thing["class_ind"].item()) == _PERSON:
            for part in thing["parts"]:
                yield str(part["part_name"]), np.asarray(part["mask"], dtype=bool)

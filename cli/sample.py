"""Where the sample suite and the sample image lie in the package."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent / "runtime" / "sample"
SAMPLE_SUITE = _FOLDER / "sample.pliant"
SAMPLE_IMAGE = _FOLDER / "sample.jpg"

"""Train the sample suite and render the sample image that ship in the package: `make sample`.

    python benchmarks/sample.py --out runtime/sample

Everything comes from the project's own rendered scenes. A training that was interrupted goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from suites import SAMPLE, build

# A test scene that the sample suite was not trained on, of a seed that is used nowhere else.
SEED, INDEX, SIZE = 2026, 11, (480, 640)
MOST_BYTES = 3_000_000


def render_image(path: Path) -> None:
    """Write the sample image."""
    from pliant.training.data.scenes import render

    Image.fromarray(render(SEED, INDEX, SIZE, "test").image).save(path, quality=90)


def main() -> int:
    """Build both; 1 where the suite is too large to ship."""
    parser = argparse.ArgumentParser(description="Train the sample suite and render the sample image.")
    parser.add_argument("--out", type=Path, default=Path("runtime/sample"))
    parser.add_argument("--work", type=Path, default=Path("out/sample"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    render_image(chosen.out / "sample.jpg")
    suite = chosen.out / "sample.pliant"
    build(SAMPLE, suite, chosen.work)
    if suite.stat().st_size > MOST_BYTES:
        print(f"{suite} has {suite.stat().st_size} bytes: more than {MOST_BYTES} do not ship")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Build the suites that benchmarks and checks use: `make suites`, within 40 minutes on two cores.

    python benchmarks/suites.py --out out/suites
    python benchmarks/suites.py --sample runtime/sample      # `make sample`: what ships in the package

- scenes-resnet18.pliant: the full-size ResNet-18 supernet, briefly trained on rendered scenes, at least 100 subnets
  (fp32 and int8): for sizes, opening, switching and latency, not for its quality.
- redkitchen-mobilenetv2.pliant: MobileNetV2 from ImageNet weights on Red Kitchen RGB-D; needs the data folder.

Each is trained, searched and exported as a user would, and what an interrupted run finished is used again.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pliant.cli import main as main_of_pliant
from pliant.cli.failing import INTERRUPTED
from pliant.search.places import log_path


@dataclass(frozen=True)
class Wanted:
    """A suite: its recipe, and how many width configurations it holds (each in fp32 and int8)."""

    recipe: str
    widths: int
    needs_data: bool = False


SUITES = {
    "scenes-resnet18": Wanted("scenes-resnet18", 52),
    "redkitchen-mobilenetv2": Wanted("redkitchen", 16, needs_data=True),
}
SAMPLE = Wanted("scenes-sample", 5)
# A scene that no suite was trained on, of a seed that is used nowhere else.
SAMPLE_SEED, SAMPLE_INDEX, SAMPLE_SIZE = 2026, 11, (480, 640)
MOST_SAMPLE_BYTES = 3_200_000


class Stopped(Exception):
    """A verb did not end well; its exit code, 130 where it was interrupted."""

    def __init__(self, verb: str, code: int):
        super().__init__(f"pliant {verb} ended with {code}")
        self.code = code


def pliant(*arguments: str) -> None:
    """Run one verb of the terminal, in this process: interrupted, it ends as it does for a user, and leaves nothing."""
    print("pliant", *arguments, file=sys.stderr, flush=True)
    code = main_of_pliant(arguments)
    if code:
        raise Stopped(arguments[0], code)


def build(wanted: Wanted, suite: Path, work: Path) -> None:
    """Train, search and export one suite."""
    began = time.perf_counter()
    train, front = work / "train", work / "front.json"
    work.mkdir(parents=True, exist_ok=True)
    pliant("train", wanted.recipe, "--out", str(train), *(["--resume"] if (train / "checkpoints").exists() else []))
    if not front.exists():
        extra = ["--resume"] if log_path(front).exists() else []
        pliant("search", str(train), "--size", str(wanted.widths), "--out", str(front), *extra)
    pliant("export", str(train), "--front", str(front), "--out", str(suite))
    print(f"{suite}: {suite.stat().st_size / 1e6:.1f} MB, {(time.perf_counter() - began) / 60:.1f} min", flush=True)


def has_data() -> bool:
    """Whether the real data lies where the readers look."""
    from pliant import DataError
    from pliant.training.data import open_data

    try:
        open_data("redkitchen", "train")
    except DataError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return False
    return True


def build_sample(folder: Path, work: Path) -> None:
    """The sample suite and image, from the project's own rendered scenes."""
    from PIL import Image

    from pliant.training.data.scenes import render

    folder.mkdir(parents=True, exist_ok=True)
    image = render(SAMPLE_SEED, SAMPLE_INDEX, SAMPLE_SIZE, "test").image
    Image.fromarray(image).save(folder / "sample.jpg", quality=90)
    suite = folder / "sample.pliant"
    build(SAMPLE, suite, work)
    if suite.stat().st_size > MOST_SAMPLE_BYTES:
        raise SystemExit(f"{suite} has {suite.stat().st_size} bytes, more than {MOST_SAMPLE_BYTES}: it cannot ship")


def main() -> int:
    """Build what was asked for; 1 where a suite could not be built, 130 where somebody pressed Ctrl-C."""
    try:
        return build_all(parse())
    except Stopped as error:
        # What interrupts a verb, it has said itself.
        if error.code != INTERRUPTED:
            print(error, file=sys.stderr)
        return INTERRUPTED if error.code == INTERRUPTED else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def parse() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="Build the suites that benchmarks and checks use.")
    parser.add_argument("--out", type=Path, default=Path("out/suites"))
    parser.add_argument("--only", choices=SUITES, help="build only this one")
    parser.add_argument("--sample", type=Path, metavar="DIR", help="build the sample suite and image instead")
    return parser.parse_args()


def build_all(chosen: argparse.Namespace) -> int:
    """Build what is not there yet."""
    if chosen.sample:
        build_sample(chosen.sample, Path("out/sample"))
        return 0
    for name, wanted in SUITES.items():
        suite = chosen.out / f"{name}.pliant"
        if (chosen.only and name != chosen.only) or (wanted.needs_data and not has_data()):
            continue
        if suite.exists():
            print(f"{suite} is there already; remove it to build it anew")
            continue
        build(wanted, suite, chosen.out / "work" / name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

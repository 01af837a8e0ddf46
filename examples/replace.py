"""A suite file that is replaced by a newer one while it serves: no frame is dropped, and a damaged one is turned away.

python examples/replace.py [SUITE]

The newer file must be moved onto the older one (`os.replace`, `mv`, rsync): an open suite goes on reading what it
opened. Serves until Ctrl-C; without SUITE it shows what it does, on copies of the sample suite, for six seconds.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import tempfile
import threading
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import pliant

SAMPLE = files("pliant.runtime") / "sample" / "sample.pliant"
EVERY = 0.2


class Served:
    """Call it as a model. A thread looks at the file, and hands over to a newer one when that is ready to answer."""

    def __init__(self, path: Path, **budget: Any):
        self.path, self._budget = path, budget
        self._seen = self._identity()
        self.model = self._load()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._follow)
        self._watch.start()

    def __call__(self, images: Any) -> dict[str, np.ndarray[Any, Any]]:
        while True:
            model = self.model
            try:
                return model(images)
            except pliant.PliantError:
                if model is self.model:
                    raise
                # It was replaced and closed between the two lines above: the newer one answers.

    def _identity(self) -> tuple[int, ...]:
        found = self.path.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _load(self) -> pliant.Model:
        """Opened beside the old one, all its digests checked, loaded, and checked against its witness."""
        suite = pliant.open_suite(self.path)
        try:
            (whole,) = suite.verify([])
            if not whole.ok:
                raise pliant.SuiteError(whole.detail)
            return suite.load(**self._budget)
        except BaseException:
            suite.close()
            raise

    def _follow(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                found = self._identity()
                if found == self._seen:
                    continue
                self._seen = found
                old, self.model = self.model, self._load()
            except (pliant.PliantError, OSError) as error:
                print(f"the old one goes on: {error}", flush=True)
                continue
            old.close()  # calls in flight finish
            old.suite.close()
            print(f"replaced: {self.model.suite.name}, {self.model.subnet.id} serves", flush=True)

    def close(self) -> None:
        self._ended.set()
        self._watch.join()
        self.model.close()
        self.model.suite.close()


def serve(path: Path, seconds: float, happens: Any = ()) -> None:
    """Frames without a pause; `happens` are things to do meanwhile."""
    served = Served(path, macs="20 M", threads=1)
    shape = served.model.suite.input.shape
    print(f"serving {path.name} by {served.model.subnet.id}", flush=True)
    began, frames, left = time.monotonic(), 0, list(happens)
    try:
        while time.monotonic() - began < seconds:
            image = np.full(shape, frames % 256, np.uint8)
            served(image)
            frames += 1
            if left and time.monotonic() - began > seconds * (1 - len(left) / (len(happens) + 1)):
                left.pop(0)()
    except KeyboardInterrupt:
        pass
    finally:
        served.close()
    print(f"{frames} frames, each answered")


def main() -> None:
    parser = argparse.ArgumentParser(description="A suite that is replaced while it serves.")
    parser.add_argument("suite", type=Path, nargs="?")
    chosen = parser.parse_args()
    if chosen.suite is not None:
        serve(chosen.suite, math.inf)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, newer = Path(folder) / "served.pliant", Path(folder) / "newer.pliant"
        shutil.copy(str(SAMPLE), path)

        def replace(size: int) -> None:
            newer.write_bytes(Path(str(SAMPLE)).read_bytes()[:size])
            os.replace(newer, path)

        serve(path, 6.0, [lambda: replace(1 << 30), lambda: replace(1000), lambda: replace(1 << 30)])


if __name__ == "__main__":
    main()

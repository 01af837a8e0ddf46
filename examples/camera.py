"""A camera, a slider for the budget, and what it costs: left and right (or - and +) move it, q ends.

python examples/camera.py [--latency 3] [--frames 300]

The camera is a window that wanders over the sample image; an app has `cv2.VideoCapture` there, and `color="bgr"`.
Without a terminal it prints a line a second and ends after 90 frames.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image

import pliant

SAMPLE = files("pliant.runtime") / "sample"
KEYS = {"\x1b[C": 1.25, "+": 1.25, "\x1b[D": 0.8, "-": 0.8}
FPS = 30
LIVE = sys.stdin.isatty() and sys.stdout.isatty()


def camera(width: int, height: int) -> Iterator[np.ndarray[Any, Any]]:
    """30 frames a second, of the size that the suite takes."""
    picture = Image.open(str(SAMPLE / "sample.jpg")).convert("RGB")
    seen = (picture.width * 3 // 4, picture.height * 3 // 4)
    for step in itertools.count():
        x = int((picture.width - seen[0]) * (1 + math.sin(step / 20)) / 2)
        y = int((picture.height - seen[1]) * (1 + math.cos(step / 31)) / 2)
        yield np.asarray(picture.crop((x, y, x + seen[0], y + seen[1])).resize((width, height)))
        time.sleep(1 / FPS)


class Slider:
    """A budget in milliseconds. Where it moves, another thread plans and switches, while frames go on."""

    def __init__(self, model: pliant.Model, latency_ms: float):
        self.model, self.latency_ms, self.note = model, latency_ms, ""
        self._moved, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._follow)

    def move(self, factor: float) -> None:
        self.latency_ms *= factor
        self._moved.set()

    def _follow(self) -> None:
        while self._moved.wait() and not self._ended:
            self._moved.clear()
            try:
                # This measures only what was not measured on this machine yet.
                limit = f"{self.latency_ms:.3g} ms"
                plan = self.model.suite.plan(latency=limit, threads=1, progress=self._tell)
                self.note = str(self.model.switch(plan))
            except pliant.PliantError as error:  # NoSubnetFits names the nearest
                self.note = str(error)

    def _tell(self, what: str, done: int, total: int) -> None:
        self.note = f"{what} ({done} of {total})"
        if self._ended:
            raise pliant.PliantError("nobody waits for this any more")

    def __enter__(self) -> Slider:
        self._thread.start()
        self._moved.set()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._moved.set()
        self._thread.join()

    def __str__(self) -> str:
        knob = min(max(round(8 * math.log2(self.latency_ms) + 10), 0), 40)
        return f"{'=' * knob}o{'-' * (40 - knob)} {self.latency_ms:.3g} ms"


@contextlib.contextmanager
def keyboard() -> Iterator[Callable[[], str]]:
    """A function that gives what was typed since it was last asked; nothing where there is no terminal."""
    if not LIVE:
        yield str
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield lambda: os.read(0, 64).decode(errors="replace") if select.select([0], [], [], 0)[0] else ""
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def main() -> None:
    parser = argparse.ArgumentParser(description="A camera and a slider for the budget.")
    parser.add_argument("--latency", type=float, default=3.0, help="milliseconds")
    parser.add_argument("--frames", type=int, default=sys.maxsize if LIVE else 90)
    chosen = parser.parse_args()
    with pliant.open_suite(str(SAMPLE / "sample.pliant")) as suite, suite.load(threads=1) as model:
        frames = itertools.islice(camera(suite.input.width, suite.input.height), chosen.frames)
        with Slider(model, chosen.latency) as slider, keyboard() as typed:
            began = time.perf_counter()
            for count, frame in enumerate(frames, 1):
                asked = time.perf_counter()
                depth = np.median(model(frame)["depth"])
                now = time.perf_counter()
                line = f"{slider} | {model.subnet.id} {1e3 * (now - asked):5.2f} ms | {count / (now - began):.0f} fps"
                if LIVE or count % FPS == 0:
                    print(
                        f"{line} | depth {depth:.2f} m | {slider.note[:60]}",
                        end="\x1b[K\r" if LIVE else "\n",
                        flush=True,
                    )
                text = typed()
                if "q" in text:
                    break
                for key, factor in KEYS.items():
                    for _ in range(text.count(key)):
                        slider.move(factor)
        print()


if __name__ == "__main__":
    main()

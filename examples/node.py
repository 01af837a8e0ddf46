"""A node as in ROS 2, without ROS: subscriber, publisher, timer, and a parameter that changes the budget.

python examples/node.py

The parameter's callback only plans, from what is known, so it answers at once: yes, or no and why. The switch runs in a
thread of its own; frames that come meanwhile are answered by the old subnet.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image

import pliant

SAMPLE = files("pliant.runtime") / "sample"


class Executor:
    """Timers and topics in one thread, as rclpy's SingleThreadedExecutor; `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._lock = itertools.count(), threading.Lock()
        self.subscribers: dict[str, list[Callable[[Any], None]]] = defaultdict(list)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), callback))

    def publish(self, topic: str, message: Any) -> None:
        for callback in self.subscribers[topic]:
            self.call_later(0, lambda callback=callback: callback(message))  # type: ignore[misc]

    def create_timer(self, seconds: float, callback: Callable[[], None]) -> None:
        def tick() -> None:
            self.call_later(seconds, tick)
            callback()

        self.call_later(seconds, tick)

    def spin(self, done: Callable[[], bool]) -> None:
        while not done():
            with self._lock:
                ready = self._due and self._due[0][0] <= time.monotonic()
                callback = heapq.heappop(self._due)[2] if ready else lambda: time.sleep(0.001)
            callback()


@dataclass(frozen=True)
class SetParametersResult:
    successful: bool
    reason: str = ""


class Perception:
    """/camera in, /depth out; the parameter `macs` is the budget."""

    def __init__(self, executor: Executor, model: pliant.Model):
        self.executor, self.model, self.frames = executor, model, 0
        self._switches = ThreadPoolExecutor(1)
        executor.subscribers["/camera"].append(self.on_frame)
        executor.create_timer(0.5, self.on_timer)

    def on_frame(self, image: np.ndarray[Any, Any]) -> None:
        self.frames += 1
        self.executor.publish("/depth", self.model(image)["depth"])

    def on_timer(self) -> None:
        print(f"{self.frames} frames; {self.model.subnet.id} serves")

    def on_set_parameters(self, macs: str) -> SetParametersResult:
        try:
            plan = self.model.suite.plan(macs=macs, measure="never", threads=1)
        except pliant.BudgetError as error:  # NoSubnetFits is one
            return SetParametersResult(False, str(error))
        self._switches.submit(self._switch, plan)
        return SetParametersResult(True)

    def _switch(self, plan: pliant.Plan) -> None:
        try:
            print(self.model.switch(plan))
        except pliant.PliantError as error:
            print(f"{self.model.subnet.id} goes on serving: {error}")

    def close(self) -> None:
        self._switches.shutdown()


def main() -> None:
    executor, received = Executor(), list[float]()
    with pliant.open_suite(str(SAMPLE / "sample.pliant")) as suite, suite.load(threads=1) as model:
        size = (suite.input.width, suite.input.height)
        image = np.asarray(Image.open(str(SAMPLE / "sample.jpg")).convert("RGB").resize(size))
        node = Perception(executor, model)
        executor.create_timer(1 / 30, lambda: executor.publish("/camera", image))
        executor.subscribers["/depth"].append(lambda depth: received.append(float(np.median(depth))))
        try:
            for frames, macs in ((15, "20 M"), (30, "one"), (45, "6 M"), (60, "1")):
                executor.spin(lambda frames=frames: len(received) >= frames)  # type: ignore[misc]
                print(f"macs := {macs!r}: {node.on_set_parameters(macs)}")
            executor.spin(lambda: len(received) >= 75)
        finally:
            node.close()
        print(f"{len(received)} answers to {node.frames} frames; {model.subnet.id} served last")


if __name__ == "__main__":
    main()

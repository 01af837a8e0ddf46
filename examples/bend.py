"""One file, three budgets: plan, load, switch. Runs as it stands, on the sample suite that ships with pliant.

python examples/bend.py
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from PIL import Image

import pliant

SAMPLE = files("pliant.runtime") / "sample"


def main() -> None:
    with pliant.open_suite(str(SAMPLE / "sample.pliant")) as suite:
        size = (suite.input.width, suite.input.height)
        image = np.asarray(Image.open(str(SAMPLE / "sample.jpg")).convert("RGB").resize(size))
        # Multiply-adds are the same everywhere; latency="15 ms" would measure this machine first.
        generous, middle, tight = (suite.plan(macs=limit) for limit in ("60 M", "20 M", "6 M"))
        print(generous)
        with suite.load(generous) as model:
            print(f"\n{model.subnet.id}: median depth {np.median(model(image)['depth']):.2f} m")
            for plan in (middle, tight):
                report = model.switch(plan)
                print(f"{report}: median depth {np.median(model(image)['depth']):.2f} m")


if __name__ == "__main__":
    main()

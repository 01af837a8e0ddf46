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
        cheapest, dearest = suite.subnets[0], suite.widest
        with suite.load(macs=dearest.macs) as model:
            print(f"{model.subnet.id}: median depth {np.median(model(image)['depth']):.2f} m")
            report = model.switch(macs=cheapest.macs)
            print(f"{report.target}: median depth {np.median(model(image)['depth']):.2f} m")
            print(f"switched in {report.total_ms:.0f} ms")


if __name__ == "__main__":
    main()

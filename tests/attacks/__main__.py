"""Write every attack as a file, to try on another reader: python -m pliant.tests.attacks --out attacks"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from . import attacks


def main() -> int:
    """A file each, and `expected.txt` with what our reader says of it."""
    parser = argparse.ArgumentParser(description="Write suites that attack their reader.")
    parser.add_argument("--out", type=Path, default=Path("out/attacks"), help="the folder (default: out/attacks)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for attack in attacks():
        name = re.sub(r"[^a-z0-9]+", "-", attack.name.lower()) + ".pliant"
        attack.write(out / name)
        lines.append(f"{name}\t{attack.says}\n")
    (out / "expected.txt").write_text("".join(lines))
    print(f"{len(lines)} files in {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

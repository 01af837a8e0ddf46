"""What macOS tells of Apple silicon, through `sysctl`."""

from __future__ import annotations

import platform
from functools import lru_cache

# sysctl's names -> ours; every Apple silicon processor has NEON.
_FEATURES = {
    "hw.optional.AdvSIMD": "neon",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_FP16": "fp16",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
}


def is_macos() -> bool:
    """Whether this is macOS."""
    return platform.system() == "Darwin"


def processor(sysctl: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The processor's name and instruction sets; empty where sysctl does not answer."""
    import shutil

    values = _ask(sysctl or shutil.which("sysctl") or "")
    isa = tuple(ours for theirs, ours in _FEATURES.items() if values.get(theirs) == "1")
    return values.get("machdep.cpu.brand_string", ""), isa


@lru_cache(maxsize=4)
def _ask(sysctl: str) -> dict[str, str]:
    if not sysctl:
        return {}
    import subprocess

    try:
        # -i leaves out names that this system does not know instead of ending in an error.
        command = [sysctl, "-i", "machdep.cpu.brand_string", *_FEATURES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}

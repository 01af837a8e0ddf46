"""`pliant doctor`: what this machine can run, and what is missing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from .options import Json

if TYPE_CHECKING:
    from ..devices.doctor import Finding


def doctor(as_json: Json = False) -> None:
    """Say what this machine can run, and what is missing.

    Exit code 1 when no suite can run here.

    \b
    Examples:
      pliant doctor
      pliant doctor --json
    """
    from .. import __version__
    from ..devices.doctor import examine, healthy
    from ..devices.fingerprint import read_fingerprint
    from .tables import print_json

    machine = read_fingerprint()
    findings = examine(machine)
    runs = healthy(findings)
    if as_json:
        found = [asdict(finding) for finding in findings]
        machine_json = {**machine.to_json(), "digest": machine.digest}
        print_json({"pliant": __version__, "runs": runs, "machine": machine_json, "findings": found})
    else:
        _print(findings, f"pliant {__version__} {'runs suites here' if runs else 'cannot run suites here'}.")
    if not runs:
        raise typer.Exit(1)


def _print(findings: list[Finding], verdict: str) -> None:
    from .tables import print_lines

    lines: list[tuple[str, str]] = []
    for finding in findings:
        lines.append((finding.level, finding.what))
        if finding.mend:
            lines.append(("", f"-> {finding.mend}"))
    print_lines(lines)
    print(verdict)

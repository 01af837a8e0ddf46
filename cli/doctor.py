"""`pliant doctor`: what this machine can run, and what is missing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from .options import Json

if TYPE_CHECKING:
    from ..devices.doctor import Finding
    from ..devices.fingerprint import Fingerprint
    from ..devices.target import Target


def doctor(as_json: Json = False) -> None:
    """Say what this machine is, what runs here, and what is missing, with the command that mends it.

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
        report = {"pliant": __version__, "runs": runs, "machine": machine_json, "findings": found}
        print_json({**report, **_recognized(machine)})
    else:
        _print(findings, f"pliant {__version__} {'runs suites here' if runs else 'cannot run suites here'}.")
    if not runs:
        raise typer.Exit(1)


def _recognized(machine: Fingerprint) -> dict[str, Any]:
    """The descriptors that fit, JetPack, and the energy sensors; null or empty where there is none."""
    from ..devices.jetpack import jetpack_of
    from ..devices.sensors import find_sensors
    from ..devices.targets import match_card, match_target

    sensors = [{"name": found.name, "domain": found.domain, "covers": found.covers} for found in find_sensors()]
    return {
        "target": _target(match_target(machine)),
        "card": _target(match_card(machine)),
        "jetpack": jetpack_of(dict(machine.settings).get("l4t", "")) or None,
        "energy_sensors": sensors,
    }


def _target(target: Target | None) -> dict[str, Any] | None:
    if target is None:
        return None
    told = ("name", "title", "engines", "precisions", "channel_multiple", "extract_only", "tried")
    return {name: getattr(target, name) for name in told}


def _print(findings: list[Finding], verdict: str) -> None:
    from .tables import print_lines

    lines: list[tuple[str, str]] = []
    for finding in findings:
        lines.append((finding.level, finding.what))
        if finding.mend:
            lines.append(("", f"-> {finding.mend}"))
    print_lines(lines)
    print(verdict)

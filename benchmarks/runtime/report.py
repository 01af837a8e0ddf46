"""What people read of a part: a table in Markdown, printed and put between the markers of docs/reliability.md.

python -m pliant.benchmarks.runtime.report benchmarks/results/runtime-PART-HARDWARE-DATE.json docs/reliability.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from pliant.devices.fingerprint import Fingerprint

from ..reporting import Entry, put, table


def report(page: Path, result: Path) -> None:
    """Replace what stands between a part's markers by the table of a result file."""
    entry = json.loads(result.read_text())
    part = result.name.removeprefix("runtime-").split("-")[0]
    put(page, part, f"{_origin(entry)}\n\n{TABLES[part](entry)}")


def _origin(entry: Entry) -> str:
    machine = Fingerprint.from_json(entry["hardware"])
    return f"`{entry['command']}`, {machine.cpu}, {machine.cores} cores, {entry['date']}, {entry['suite']}."


def _holds(kept: bool) -> str:
    return "yes" if kept else "**no**"


def budgets(entry: Entry) -> str:
    """Hits, agreement with brute force, and first uses."""
    total = entry["totals"]
    still = f"{total['met_steady']} of {total['steady']}"
    over = "-" if total["worst_over"] is None else f"{100 * total['worst_over']:+.1f} %"
    rows = [
        ["requests (of them refused: nothing fits)", f"{total['requests']} ({total['refused']})"],
        ["met when measured again", str(total["met"])],
        ["met, or over by 2 % at most", str(total["met_nearly"])],
        ["met, of those during which the machine held still (a control moved by 5 % at most)", still],
        ["the farthest from its limit", over],
        ["the choice is that of brute force", str(total["agree"])],
        ["a better one would have met it, measured again", str(total["missed_better"])],
    ]
    for first in entry["first"]:
        what = f"first use of {entry['subnets']} subnets at p{first['quantile'] * 100:g}"
        told = f"{first['seconds']:.1f} s; {first['measured']} measured, {first['settled']} of them thoroughly"
        rows.append([what, f"{told}, {first['runs']} runs kept"])
    return table(["budgets", ""], rows)


def overhead(entry: Entry) -> str:
    """Ratios to onnxruntime alone."""
    rows = []
    for each in entry["rows"]:
        call = each["call"]
        told = f"{_ratio(call)}, {call['difference_us']:+.0f} us of {call['theirs_ms']:.2f} ms"
        rows.append([each["id"], told, _ratio(each["load"]), _ratio(each["switch"]) if each["switch"] else "-"])
    found, kept = entry["processes"], entry["kept"]
    lines = [table(["subnet", "a call", "load and a run", "switch"], rows), ""]
    named = {
        "import_ms": "importing",
        "imported_bytes": "memory after importing",
        "serving_bytes": "memory when serving",
    }
    units = {"import_ms": lambda v: f"{v:.0f} ms"}
    rows = [
        [name, *(units.get(what, _megabytes)(found[what][side]) for side in ("ours", "bare")), _ratio(found[what])]
        for what, name in named.items()
    ]
    lines += [table(["process", "pliant", "numpy and onnxruntime", "ratio"], rows), ""]
    promised = {"call": "calls", "switch": "switches", **named}
    loading = f"The first load imports {found['load_import_ms']:.0f} ms more."
    lines.append(
        loading
        + " Promises kept: "
        + ", ".join(f"{name} {_holds(kept[what])}" for what, name in promised.items())
        + "."
    )
    return "\n".join(lines)


def _ratio(found: Entry) -> str:
    return f"{found['ratio']:.2f} ({found['ratio_p25']:.2f} to {found['ratio_p75']:.2f})"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.1f} MB"


def switching(entry: Entry) -> str:
    """The load, and the tails."""
    load, felt = entry["load"], entry["tails"]
    wrong = sum(load["wrong"].values()) + sum(load["failed_switches"].values())
    rows = [
        ["switches among subnets", f"{load['switches']} among {len(load['among'])}"],
        ["calls by threads meanwhile", f"{load['calls']} by {load['callers']}"],
        ["failed or torn", str(wrong)],
        ["memory", _memory(load["memory"])],
        [f"p50 and p99 of {felt['ours']['calls']} calls during switches", _tail(felt["ours"])],
        [f"the same of {felt['theirs']['calls']} while bare sessions are created", _tail(felt["theirs"])],
        ["ratio of p99 (95 % interval)", f"{felt['ratio']:.2f} ({felt['low']:.2f} to {felt['high']:.2f})"],
    ]
    return table(["switching", ""], rows)


def _tail(found: Entry) -> str:
    return f"{found['p50_ms']:.2f} ms, {found['p99_ms']:.2f} ms"


def _memory(found: Entry | None) -> str:
    if found is None:
        return "too few samples to tell"
    told = f"{found['a_step'] / 1e3:+.2f} kB a step ({found['low'] / 1e3:+.2f} to {found['high'] / 1e3:+.2f})"
    return (
        f"{'flat' if found['flat'] else '**grows**'}: {told}, {100 * found['growth']:+.2f} % in {found['steps']} steps"
    )


def soak(entry: Entry) -> str:
    """What happened, and what failed."""
    descriptors = entry["descriptors"]
    rows = [
        ["minutes", f"{entry['minutes']:.1f}"],
        ["acts", f"{sum(entry['acts'].values())}: {_counts(entry['acts'])}"],
        ["calls beside them", str(entry["calls"])],
        ["typed errors", f"{sum(entry['typed_errors'].values())}: {_counts(_by_type(entry['typed_errors']))}"],
        ["failures", str(entry["failed"])],
        ["memory", _memory(entry["memory"])],
        *(
            [["memory of bare sessions, one after another (a step is a session)", _memory(entry["bare"])]]
            if entry.get("bare")
            else []
        ),
        ["open descriptors, first and last", f"{descriptors['first']}, {descriptors['last']}"],
    ]
    return table(["soak", ""], rows)


def _by_type(errors: Entry) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, count in errors.items():
        kind = name.split(": ")[1]
        found[kind] = found.get(kind, 0) + count
    return found


def _counts(found: Entry) -> str:
    return ", ".join(f"{name} {count}" for name, count in found.items())


TABLES: dict[str, Callable[[Entry], str]] = {
    "budgets": budgets,
    "overhead": overhead,
    "switching": switching,
    "soak": soak,
}

if __name__ == "__main__":
    for found in sys.argv[1:-1]:
        report(Path(sys.argv[-1]), Path(found))

"""How much memory a subnet needs: the growth of a fresh process by loading and running it, the engine included.

    python -m pliant.runtime.planning.memory MODEL.pliant SUBNET [--tasks a,b] [--provider cpu] [--threads 2]

prints it as JSON. A process for each subnet, so that none profits from what another left behind. (A fork would be
quicker, but counts wrongly: it starts without the parent's file-backed pages and meets them again.)
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...devices.errors import PliantError
from ...devices.fresh import module_command
from ...devices.measure import Progress
from ...devices.profile import MemoryUse

_RUNS = 3


def measure_memory(
    suite: Path,
    subnets: Sequence[str],
    tasks: Sequence[str],
    provider: str = "cpu",
    threads: int | None = None,
    progress: Progress | None = None,
    *,
    inherit: Sequence[int] = (),
) -> dict[str, MemoryUse]:
    """Memory of each subnet, by id, from processes of their own; PliantError says which one failed and why.

    `inherit` are descriptors that these processes get, for a suite that is known by one.
    """
    found = {}
    for index, subnet in enumerate(subnets):
        if progress:
            progress(f"measuring the memory of {subnet}", index, len(subnets))
        found[subnet] = _ask(suite, subnet, tasks, provider, threads, inherit)
    if progress and found:
        progress("measured", len(found), len(found))
    return found


def _ask(
    suite: Path, subnet: str, tasks: Sequence[str], provider: str, threads: int | None, inherit: Sequence[int]
) -> MemoryUse:
    options = ["--tasks", ",".join(tasks), "--provider", provider, "--threads", str(threads or 0)]
    return in_a_process([__name__, str(suite), subnet, *options], f"subnet {subnet}", inherit)


def in_a_process(module: Sequence[str], what: str, inherit: Sequence[int] = ()) -> MemoryUse:
    """What a module of ours, with its arguments, prints of itself in a fresh process (`grown`, as JSON).

    PliantError, naming `what` it measures, where it fails.
    """
    # The child finds the modules that this process has, and nothing in its working directory.
    path = os.pathsep.join(str(Path(entry or os.getcwd())) for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore"}
    import subprocess

    done = subprocess.run(
        module_command(*module), capture_output=True, text=True, env=environment, check=False, pass_fds=tuple(inherit)
    )
    if done.returncode == 0:
        with contextlib.suppress(ValueError):
            return MemoryUse.from_json(json.loads(done.stdout))
    last = (done.stderr.strip().splitlines() or ["it was killed; is there memory enough to load it?"])[-1]
    raise PliantError(f"the memory of {what} could not be measured (exit code {done.returncode}): {last}")


def resident() -> tuple[int, int]:
    """Resident memory of this process now, and the most that it had, in bytes."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return _kilobytes(fields["VmRSS"]), _kilobytes(fields["VmHWM"])
    except (OSError, KeyError, ValueError):
        return _peak_only()


def _kilobytes(field: str) -> int:
    return int(field.split()[0]) * 1024


def _peak_only() -> tuple[int, int]:
    # Elsewhere only the peak is known without another package: then growth is counted from peak to peak.
    try:
        import resource
    except ImportError as error:
        raise PliantError("this system does not say how much memory a process has: leave the limit out") from error
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = most if sys.platform == "darwin" else most * 1024
    return size, size


def _forget_peak() -> None:
    """Let the peak count from now on, where the kernel offers that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _measure_here(path: str, subnet: str, tasks: str, provider: str, threads: int) -> MemoryUse:
    """Load and run a subnet in this process, which has done neither before."""
    from ..format.suite_file import SuiteFile

    with SuiteFile(path) as suite:
        names = suite.check_tasks(tasks or None)
        image = suite.witness_input()

        def load() -> Callable[[], object]:
            from ..session import load_subnet

            session = load_subnet(suite, subnet, names, False, provider, threads or None)
            return lambda: session.run(image)

        return grown(load, provider)


def grown(load: Callable[[], Callable[[], object]], provider: str = "cpu") -> MemoryUse:
    """How much this process, which has done neither before, grows by importing the engine, and by what `load` loads
    and a few calls of what it returns."""
    _forget_peak()
    start, _ = resident()

    from ..engine import import_onnxruntime
    from ..heap import release_memory

    import_onnxruntime(provider)
    imported, _ = resident()
    run = load()
    for _ in range(_RUNS):
        run()
    release_memory()
    now, most = resident()
    return MemoryUse(max(most - start, 0), max(now - start, 0), max(imported - start, 0), time.time())


def printed(measure: Callable[[], MemoryUse]) -> int:
    """Print a measurement for `in_a_process`, or why there is none; the exit code."""
    try:
        use = measure()
    except PliantError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(use.to_json()))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m pliant.runtime.planning.memory", description="Memory of a subnet, as JSON."
    )
    parser.add_argument("suite")
    parser.add_argument("subnet")
    parser.add_argument("--tasks", default="")
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args(arguments)
    asked = (options.suite, options.subnet, options.tasks, options.provider, options.threads)
    return printed(lambda: _measure_here(*asked))


if __name__ == "__main__":
    sys.exit(main())

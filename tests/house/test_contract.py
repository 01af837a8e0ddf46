"""The import contract holds, and would be seen to break."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    code = [str(program), "--no-cache", "--no-logo"]
    return subprocess.run(code, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_imports_point_downwards(checkout: Path) -> None:
    done = lint_imports(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("room", "line", "broken"),
    [
        ("devices", "from ..runtime import tasks", "further down"),
        ("runtime", "from ..models import space", "further down"),
        ("runtime/format", "from ..session import Session", "inside the runtime"),
        ("runtime", "def lazily() -> None:\n    import torch", "deployed half"),
    ],
)
def test_a_wrong_import_is_refused(
    checkout: Path, tmp_path: Path, room: str, line: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = tmp_path / "pliant"
    house.mkdir()
    shutil.copy(checkout / ".importlinter", tmp_path)
    shutil.copy(checkout / "__init__.py", house)
    for init in sorted(checkout.glob("*/__init__.py")):
        shutil.copytree(init.parent, house / init.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
    (house / room / "wrong.py").write_text(line + "\n")
    # The copy is found before the editable installation, whose finder comes last.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{broken} BROKEN" in done.stdout or "BROKEN" in done.stdout.partition(broken)[2].partition("\n")[0]

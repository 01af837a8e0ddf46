"""What an import costs: the deployed half loads nothing of the half that builds, and no engine before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("cli", "search", "export", "training", "quantize", "models", "runtime", "devices")
HEAVY = ("torch", "onnx", "onnxruntime", "typer", "rich", "PIL", "pydantic", "scipy", "matplotlib")
# Not at the top of any file of these rooms: each is imported inside the function that needs it.
LAZY = {
    "runtime": {"onnxruntime", "tensorrt", "tensorrt_rtx_bindings"},
    "devices": {"onnxruntime", "tensorrt", "tensorrt_rtx_bindings"},
    "cli": {"onnxruntime", "torch", "onnx", "PIL", "numpy", "pydantic", "yaml", "matplotlib"},
}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import pliant", "import pliant.runtime", "import pliant; pliant.open_suite", "import pliant.devices"],
)
def test_the_library_loads_no_engine_and_no_terminal(statement: str) -> None:
    assert not loaded_by(statement) & set(HEAVY)


def test_the_library_loads_only_what_every_program_needs_of_it() -> None:
    """Each of these takes milliseconds, and few programs come to where it is needed."""
    own = loaded_by("import pliant.runtime.model, pliant.runtime.planning.deciding") - loaded_by("import numpy")
    assert not own & {"argparse", "subprocess", "tempfile", "difflib", "shutil"}


def test_the_terminal_loads_no_torch_and_no_engine() -> None:
    loaded = loaded_by("import pliant.cli")
    assert "typer" in loaded
    assert not loaded & {"torch", "onnx", "onnxruntime", "PIL", "pydantic", "matplotlib"}


def _files(checkout: Path, room: str) -> list[Path]:
    files = sorted((checkout / room).rglob("*.py"))
    assert files, f"no files in {room}"
    return files


def _runs_at_import(node: ast.AST) -> Iterator[ast.stmt]:
    """The imports under a node that run when its file is imported: not in functions, not for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        yield from _runs_at_import(child)


def _tops(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Import):
        return {alias.name.partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
        return {statement.module.partition(".")[0]}
    return set()


@pytest.mark.parametrize("room", LAZY)
def test_engines_are_imported_inside_functions(checkout: Path, room: str) -> None:
    for file in _files(checkout, room):
        for statement in _runs_at_import(ast.parse(file.read_text())):
            found = _tops(statement) & LAZY[room]
            assert not found, f"{file}:{statement.lineno} imports {found} at the top"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cli"])
def test_no_room_imports_the_front_door(checkout: Path, room: str) -> None:
    """`from .. import x` below `cli` would point upwards, which import-linter does not see."""
    for file in _files(checkout, room):
        depth = len(file.relative_to(checkout).parts)
        for node in ast.walk(ast.parse(file.read_text())):
            place = f"{file}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                to_root = node.level == depth and not node.module
                assert not to_root or names <= set(ROOMS), f"{place} imports from the package itself"
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert "pliant" not in _tops(node), f"{place}: inside the house imports are relative"

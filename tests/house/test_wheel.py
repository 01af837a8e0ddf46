"""The wheel holds the modules of the listed packages and their data: all of them, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import tomllib

from .conftest import NOT_SOURCE

NOT_SHIPPED = {"tests", "benchmarks", "examples", "docs"}
DEPLOYED = 300_000


@pytest.fixture(scope="module")
def listed(checkout: Path) -> dict[str, Path]:
    """Package name -> folder, as pyproject.toml lists them."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    names: list[str] = project["tool"]["setuptools"]["packages"]
    return {name: checkout.joinpath(*name.split(".")[1:]) for name in names}


def test_every_package_on_disk_is_listed(checkout: Path, listed: dict[str, Path]) -> None:
    on_disk = {
        file.parent
        for file in checkout.rglob("__init__.py")
        if not any(part in NOT_SHIPPED or part in NOT_SOURCE for part in file.relative_to(checkout).parts)
    }
    assert on_disk == set(listed.values())


def test_no_stray_file_at_the_root(checkout: Path) -> None:
    assert [file.name for file in checkout.glob("*.py")] == ["__init__.py"]


def test_no_folder_of_modules_lacks_its_init(checkout: Path, listed: dict[str, Path]) -> None:
    rooms = {folder for name, folder in listed.items() if name.count(".") == 1}
    strays = [file for room in rooms for file in room.rglob("*.py") if file.parent not in listed.values()]
    assert strays == []


def test_the_wheel_is_exactly_that(wheel: Path, checkout: Path, listed: dict[str, Path]) -> None:
    modules = {file for folder in listed.values() for file in folder.glob("*.py")}
    expected = {f"pliant/{file.relative_to(checkout).as_posix()}" for file in modules | _data(checkout, listed)}
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert shipped == expected


def _data(checkout: Path, listed: dict[str, Path]) -> set[Path]:
    """What lies beside the modules of the rooms must be shipped too; of the root only two things."""
    rooms = {folder for name, folder in listed.items() if name.count(".") == 1}
    beside = {file for room in rooms for file in room.rglob("*") if file.is_file() and file.suffix != ".py"}
    kept = {file for file in beside if "__pycache__" not in file.parts}
    return {checkout / "py.typed", *(checkout / "recipes").glob("*.yaml"), *kept}


def test_the_deployed_half_is_small(wheel: Path) -> None:
    """What the wheel holds for those who only run suites, as it is compressed there; the sample is counted apart."""
    deployed = ("pliant/__init__.py", "pliant/py.typed", "pliant/runtime/", "pliant/devices/", "pliant/cli/", "pliant-")
    sample = "pliant/runtime/sample/"
    parts = [entry for entry in zipfile.ZipFile(wheel).infolist() if entry.filename.startswith(deployed)]
    sizes = {entry.filename: entry.compress_size for entry in parts if not entry.filename.startswith(sample)}
    assert len(sizes) > 80
    total = sum(sizes.values())
    largest = sorted(sizes, key=sizes.__getitem__)[-5:]
    assert total < DEPLOYED, f"{total} bytes; the largest are {[(name, sizes[name]) for name in largest]}"

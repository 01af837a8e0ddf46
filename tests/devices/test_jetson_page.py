"""docs/jetson.md says of each JetPack and board what the data says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pliant.devices.jetpack import Release, all_releases


@pytest.fixture(scope="module")
def page(checkout: Path) -> str:
    return (checkout / "docs" / "jetson.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("release", all_releases(), ids=lambda release: release.jetpack)
def test_the_table_of_wheels_is_that_of_the_data(page: str, release: Release) -> None:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {release.jetpack} | ")]
    _, _, l4t, python, cuda, tensorrt, cpu, gpu, _ = (cell.strip() for cell in line.split("|"))
    shown = f"{release.l4t[0]} to {release.l4t[-1]}" if len(release.l4t) > 2 else ", ".join(release.l4t)
    assert l4t == shown
    assert (python, cuda, tensorrt) == (release.python, release.cuda or "unknown", release.tensorrt or "unknown")
    assert cpu == (f"`{release.cpu}`" if release.cpu else "-")
    assert gpu == (f"`{release.gpu}`" if release.gpu and "--index-url" not in release.gpu else gpu)
    assert release.gpu is None or release.gpu in page
    assert (gpu == "-") == (release.gpu is None)


def test_the_page_says_that_it_was_not_run(page: str) -> None:
    assert "**Not run here.**" in page

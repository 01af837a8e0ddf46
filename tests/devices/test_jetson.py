"""JetPack by L4T, and what a board tells of its module and its power modes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pliant
from pliant.devices import apple, jetson
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.jetpack import all_releases, jetpack_of, read_releases, release_of, runs_on

from .trees import ORIN_NANO, RASPBERRY, files


@pytest.mark.parametrize(
    ("l4t", "jetpack", "runs"),
    [
        ("32.7.4", "4.6", False),
        ("32.4.3", "4", False),
        ("35.1.0", "5.0", False),
        ("35.4.1", "5.1", False),
        ("36.3.0", "6.0", True),
        ("36.4.0", "6.1", True),
        ("36.4.3", "6.2", True),
        ("36.4.7", "6.2", True),
        ("36.5", "6.2", True),
        ("38.2.1", "7.0", True),
        ("39.2.0", "7.2", True),
        ("36.9.9", "6", True),
        ("41.0", "", True),
        ("", "", True),
    ],
)
def test_jetpack_by_l4t(l4t: str, jetpack: str, runs: bool) -> None:
    assert jetpack_of(l4t) == jetpack
    assert runs_on(l4t) == runs


def test_an_unknown_release_is_none() -> None:
    assert release_of("36.9.9") is None
    assert release_of("3.64") is None


def test_releases_agree_with_themselves() -> None:
    starts = [start for release in all_releases() for start in release.l4t]
    assert len(starts) == len(set(starts))
    for release in all_releases():
        assert release.runs == (int(release.jetpack.split(".")[0]) >= 6)
        assert release.runs == (tuple(map(int, release.python.split("."))) >= (3, 10))
        assert (release.cpu is not None) == release.runs
        assert release.gpu is None or release.runs
        assert all(re.fullmatch(r"https://\S+", source.url) and source.says for source in release.sources)
        assert jetpack_of(release.l4t[0]) == release.jetpack


def test_wrong_json_is_refused() -> None:
    for entry in (
        None,
        {},
        {"_version": 1, "families": {}, "releases": [{}]},
        {"_version": 2, "families": {}, "releases": []},
    ):
        with pytest.raises(pliant.ConfigError):
            read_releases(entry)


def test_a_board_tells_its_module_and_modes(tmp_path: Path) -> None:
    root = files(tmp_path, ORIN_NANO)
    machine = read_fingerprint(root, machine="aarch64")
    assert dict(machine.settings)["module"] == "p3767-0005 p3768-0000"
    assert jetson.power_modes(root) == {0: "15W", 1: "25W", 2: "MAXN_SUPER"}
    assert machine.power_mode == "15W"
    files(tmp_path, {"var/lib/nvpmodel/status": "pmode:0007"})
    assert jetson.power_mode(root) == "mode 7"


def test_other_boards_have_no_module_and_no_modes(tmp_path: Path) -> None:
    root = files(tmp_path, RASPBERRY)
    assert jetson.module(root) == ""
    assert jetson.power_modes(root) == {}
    assert jetson.power_mode(root) == ""


@pytest.mark.parametrize(
    ("names", "fastest"),
    [
        (["15W", "25W", "MAXN_SUPER"], 2),
        (["15W", "7W"], 0),
        (["10W", "7W_AI", "7W_CPU"], 0),
        (["MAXN", "MODE_15W", "MODE_50W"], 0),
        (["MODE_15W_6CORE", "MODE_20W_2CORE", "MODE_20W_6CORE"], 2),
        (["MODE_30W_6CORE", "MODE_30W_ALL"], 1),
        ([], None),
    ],
)
def test_the_fastest_mode_is_not_always_number_0(names: list[str], fastest: int | None) -> None:
    assert jetson.fastest_mode(dict(enumerate(names))) == fastest


def test_apple_silicon_tells_its_features_through_sysctl(tmp_path: Path) -> None:
    tool = tmp_path / "sysctl"
    tool.write_text(
        "#!/bin/sh\n"
        "echo 'machdep.cpu.brand_string: Apple M2'\n"
        "echo 'hw.optional.AdvSIMD: 1'\n"
        "echo 'hw.optional.arm.FEAT_DotProd: 1'\n"
        "echo 'hw.optional.arm.FEAT_I8MM: 1'\n"
        "echo 'hw.optional.arm.FEAT_SME: 0'\n"
    )
    tool.chmod(0o755)
    assert apple.processor(str(tool)) == ("Apple M2", ("neon", "dotprod", "i8mm"))
    assert apple.processor(str(tmp_path / "absent")) == ("", ())

"""The doctor: in environments made of real metadata folders, each missing thing comes with its command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pliant.devices import doctor
from pliant.devices.fingerprint import Fingerprint, read_fingerprint

from .trees import ORIN_NANO, RAPL, RASPBERRY, XAVIER_NX, files

ASK = """
import json, sys
from pliant.devices.doctor import examine
print(json.dumps([[f.level, f.what, f.mend] for f in examine(probe=False)]))
heavy = {"onnxruntime", "torch", "onnx", "tensorrt"} & set(sys.modules)
assert not heavy, heavy
"""


def distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def ask(folder: Path) -> list[list[str]]:
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n" + ASK
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_both_onnxruntimes_are_a_problem_with_its_mend(tmp_path: Path) -> None:
    distribution(tmp_path, "onnxruntime", "1.32.0")
    distribution(tmp_path, "onnxruntime-gpu", "1.32.0")
    problems = [finding for finding in ask(tmp_path) if finding[0] == "problem"]
    assert len(problems) == 1
    assert "both installed" in problems[0][1]
    assert problems[0][2].startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip install")


def test_an_old_onnxruntime_is_a_problem(tmp_path: Path) -> None:
    distribution(tmp_path, "onnxruntime", "1.17.3")
    assert any("too old" in what for level, what, _ in ask(tmp_path) if level == "problem")


def test_this_machine_can_run_and_every_missing_thing_has_a_command() -> None:
    pytest.importorskip("onnxruntime")
    findings = doctor.examine()
    assert doctor.healthy(findings)
    assert any("CPUExecutionProvider" in finding.what for finding in findings)
    assert all(finding.mend for finding in findings if finding.level in ("missing", "problem"))


def test_a_file_in_the_working_directory_does_not_pass_for_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit('a trap')")
    monkeypatch.chdir(tmp_path)
    assert any("CPUExecutionProvider" in finding.what for finding in doctor.examine())


def test_a_gpu_without_its_onnxruntime_is_noted() -> None:
    machine = replace(read_fingerprint(), gpus=("NVIDIA H200, 570.1, 143771 MiB, 1980 MHz, 700 W",))
    findings = doctor.examine(machine, probe=False)
    assert any(
        finding.level == "note" and finding.mend.endswith("&& pip install onnxruntime-gpu") for finding in findings
    )


def test_without_vnni_the_doctor_warns_of_saturation() -> None:
    machine = Fingerprint("old", "x86_64", 4, ("avx2",), 2**33, "Linux", settings=(("governor", "powersave"),))
    notes = [finding for finding in doctor.examine(machine, probe=False) if finding.level == "note"]
    # `bench` measures speed, `verify` does not.
    assert [note.mend for note in notes if "saturate" in note.what] == ["pliant bench MODEL.pliant"]
    assert any("cpupower" in note.mend for note in notes)


def test_the_building_half_lacks_only_what_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*names: str) -> list[doctor.Finding]:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in names else object())
        return [finding for finding in doctor.examine(probe=False) if "the building half" in finding.what]

    assert [finding.level for finding in without("nncf", "sklearn")] == ["ok"]
    (lacking,) = without("nncf", "moocore", "onnx_ir")
    assert lacking.level == "missing"
    assert "lacks onnx_ir, moocore;" in lacking.what


@pytest.mark.parametrize("folder", ["{tmp}/file/cache", "{tmp}/" + "x" * 300 + "/cache", "~nosuchuser/cache"])
def test_a_cache_that_cannot_be_written_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PLIANT_CACHE", folder.format(tmp=tmp_path))
    findings = doctor.examine(probe=False)
    assert any("cannot be kept" in finding.what and "PLIANT_CACHE" in finding.mend for finding in findings)


def board(tmp_path: Path, tree: dict[str, str]) -> list[doctor.Finding]:
    root = files(tmp_path, tree)
    return doctor.examine(read_fingerprint(root, machine="aarch64"), probe=False, root=root)


def mends(findings: list[doctor.Finding]) -> str:
    return "\n".join(finding.mend for finding in findings)


def without_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pliant.devices.doctor_engines.installed", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)


def test_a_jetson_gets_its_descriptor_its_jetpack_and_the_number_of_its_fastest_mode(tmp_path: Path) -> None:
    findings = board(tmp_path, ORIN_NANO)
    said = "\n".join(finding.what for finding in findings)
    assert "target jetson-orin-nano" in said
    assert "not tried by us" in said
    assert "JetPack 6.2 (L4T 36.4.3), with Python 3.10, CUDA 12.6, TensorRT 10.3" in said
    assert "energy sensor INA: the board's input rail VDD_IN" in said
    assert "sudo nvpmodel -m 2 && sudo jetson_clocks" in mends(findings)
    assert "cpupower" not in mends(findings)


def test_a_jetson_in_its_fastest_mode_is_left_alone(tmp_path: Path) -> None:
    findings = board(tmp_path, {**ORIN_NANO, "var/lib/nvpmodel/status": "pmode:0002"})
    assert "nvpmodel" not in mends(findings)


def test_a_jetson_without_engines_is_told_the_wheel_of_its_jetpack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_engines(monkeypatch)
    findings = board(tmp_path, ORIN_NANO)
    (problem,) = [finding for finding in findings if finding.level == "problem"]
    assert problem.mend == "pip install onnxruntime"
    assert any(finding.mend.startswith("sudo apt-get install -y python3-libnvinfer") for finding in findings)


def test_a_jetson_with_the_processors_wheel_is_told_the_gpus_from_the_right_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = {"onnxruntime": "1.23.2"}
    monkeypatch.setattr("pliant.devices.doctor_engines.installed", has.get)
    assert "pypi.jetson-ai-lab.io/jp6/cu126" in mends(board(tmp_path, ORIN_NANO))


def test_a_board_before_jetpack_6_is_told_to_take_plain_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_engines(monkeypatch)
    findings = board(tmp_path, XAVIER_NX)
    said = "\n".join(finding.what for finding in findings)
    assert "JetPack 5.1 (L4T 35.4.1) is older than JetPack 6: only plain ONNX is supported here" in said
    assert "plain ONNX only, for its own tensorrt" in said
    assert "power mode MODE_20W_6CORE, the fastest" in said
    assert "pliant extract MODEL.pliant SUBNET" in mends(findings)
    assert "pip install" not in mends([finding for finding in findings if "onnxruntime" in finding.what])
    assert "libnvinfer" not in mends(findings)


def test_a_raspberry_pi_is_told_a_command_that_it_has(tmp_path: Path) -> None:
    findings = board(tmp_path, RASPBERRY)
    assert any("target raspberry-pi-5" in finding.what for finding in findings)
    assert "echo performance | sudo tee" in mends(findings)
    assert any("no energy sensor" in finding.what for finding in findings)


def test_a_limit_on_processors_is_noted() -> None:
    machine = replace(read_fingerprint(), settings=(("cpu_quota", "1.5"),))
    assert any("may use 1.5 processors only" in found.what for found in doctor.examine(machine, probe=False))


def test_an_energy_counter_for_root_only_comes_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pliant.devices.sensors.read_number", lambda _: None)
    root = files(tmp_path, RAPL)
    findings = doctor.examine(read_fingerprint(), probe=False, root=root)
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj" in mends(findings)

"""The verbs of the deployed half, on a real suite: JSON by the contract, pictures, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from PIL import Image

from pliant import open_suite
from pliant.cli.reporting import profile_report
from pliant.devices.profile import read_profile

from ..runtime.format.signatures import written
from ..runtime.making import make
from .conftest import Terminal

DENSE = ("floor", "depth", "normals", "edges")


def test_inspect_json_is_the_contract(pliant: Terminal, suite: Path) -> None:
    report = json.loads(pliant("inspect", suite, "--json").out)
    assert report["format_version"] == "1.0"
    assert (report["input"]["height"], report["input"]["width"]) == (16, 24)
    assert list(report["tasks"]) == [*DENSE, "room"]
    for subnet in report["subnets"]:
        assert {"id", "widths", "precision", "macs", "bytes", "quality"} <= set(subnet)
        assert subnet["precision"] in ("fp32", "int8")
        for quality in subnet["quality"].values():
            assert set(quality) == {"metric", "value", "higher_is_better"}


def test_inspect_shows_every_subnet_and_task(pliant: Terminal, suite: Path) -> None:
    shown = pliant("inspect", suite).out
    assert all(name in shown for name in ("s01-fp32", "s01-int8", "s02-fp32", "s03-fp32", *DENSE, "room"))
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_verify_json(pliant: Terminal, suite: Path) -> None:
    said = pliant("verify", suite, "--json", "--subnet", "s01-int8")
    report = json.loads(said.out)
    assert said.code == 0
    assert report["ok"]
    assert [subnet["id"] for subnet in report["subnets"]] == ["s01-int8"]
    assert report["subnets"][0]["max_error"] < 0.01


def test_a_suite_is_signed_and_verified_by_key(pliant: Terminal, suite: Path, tmp_path: Path) -> None:
    private, public = written(ed25519.Ed25519PrivateKey.generate(), tmp_path)
    out = tmp_path / "signed.pliant"
    said = pliant("sign", suite, "--key", private, "--out", out, "--json")
    assert said.code == 0, said.err
    signer = json.loads(said.out)["signer"]
    assert json.loads(pliant("inspect", out, "--json").out)["signer"] == signer
    assert signer in pliant("inspect", out).out
    report = json.loads(pliant("verify", out, "--key", public, "--json", "--subnet", "s01-int8").out)
    assert report["signature"] == {"ok": True, "detail": f"by {signer}", "max_error": None}
    assert report["file"]["ok"]
    unchecked = pliant("verify", out, "--subnet", "s01-int8").err
    assert f"says that it is signed by {signer}; that was not checked" in unchecked
    checked = pliant("verify", out, "--key", public, "--subnet", "s01-int8")
    assert "signature" in checked.out
    assert "not checked" not in checked.err + pliant("verify", suite, "--subnet", "s01-int8").err
    unsigned = pliant("verify", suite, "--key", public, "--json", "--subnet", "s01-int8")
    assert unsigned.code == 1
    assert "is not signed" in unsigned.err
    assert not json.loads(unsigned.out)["signature"]["ok"]
    assert json.loads(pliant("verify", suite, "--json", "--subnet", "s01-int8").out)["signature"] is None


def test_verify_fails_where_a_subnet_does(pliant: Terminal, tmp_path: Path) -> None:
    made = make()
    made.records["s02-fp32"]["witness/depth"] = made.records["s02-fp32"]["witness/depth"] + np.float32(3)
    said = pliant("verify", made.write(tmp_path / "wrong.pliant"), "--json")
    report = json.loads(said.out)
    assert said.code == 1
    assert [subnet["id"] for subnet in report["subnets"] if not subnet["ok"]] == ["s02-fp32"]
    assert "s02-fp32" in said.err
    assert len(said.err.splitlines()) == 1


def test_plan_json_is_the_contract(pliant: Terminal, suite: Path) -> None:
    said = pliant("plan", suite, "--latency", "10s", "--prefer", "depth=2", "--json")
    report = json.loads(said.out)
    # Nothing else, and that only where other work disturbs the measurements.
    assert all(line.startswith("the machine was busy") for line in said.err.splitlines())
    assert report["chosen"].startswith("s0")
    assert report["why"]
    assert all(set(rejected) == {"id", "reason"} for rejected in report["rejected"])
    assert len(report["rejected"]) == 3
    assert report["latency_ms"]["kind"] == "measured"
    assert report["latency_ms"]["value"] > 0


def test_plan_never_measures_where_it_must_not(pliant: Terminal, suite: Path) -> None:
    said = pliant("plan", suite, "--latency", "10s", "--measure", "never")
    assert said.code == 2
    assert "not measured" in said.err
    assert pliant("plan", suite, "--latency", "10s").code == 0
    assert pliant("plan", suite, "--latency", "10s", "--measure", "never").code == 0


def test_bench_json(pliant: Terminal, suite: Path) -> None:
    rows = json.loads(pliant("bench", suite, "--runs", "12", "--json").out)["subnets"]
    assert [row["id"] for row in rows] == ["s01-fp32", "s01-int8", "s02-fp32", "s03-fp32"]
    for row in rows:
        times = row["latency_ms"]
        assert 0 < times["min"] <= times["p25"] <= times["p50"] <= times["p75"]
        assert times["runs"] >= 12


def test_profile_writes_what_plan_and_search_read(pliant: Terminal, suite: Path, tmp_path: Path) -> None:
    said = pliant("profile", suite, "--out", tmp_path / "here.json", "--tasks", "depth")
    assert said.code == 0, said.err
    profile = read_profile(tmp_path / "here.json")
    assert len(profile.latency) == len(profile.memory) == 4
    assert pliant("plan", suite, "--tasks", "depth", "--latency", "10s", "--measure", "never").code == 0


def test_profile_prints_markdown_for_an_issue(pliant: Terminal, suite: Path, tmp_path: Path) -> None:
    said = pliant("profile", suite, "--out", tmp_path / "here.json", "--seconds", "0.2")
    assert said.code == 0, said.err
    facts, subnets = said.out.rstrip("\n").split("\n\n")
    for table in (facts, subnets):
        assert len({len(line) for line in table.splitlines()}) == 1
        assert len({line.count("|") for line in table.splitlines()}) == 1
    profile = read_profile(tmp_path / "here.json")
    assert profile.fingerprint.digest[:12] in facts
    assert "| engines " in facts
    assert "onnxruntime" in facts
    assert len(subnets.splitlines()) == 2 + 4
    assert str(tmp_path) not in said.out


def test_a_profile_of_a_busy_machine_says_so(pliant: Terminal, suite: Path, tmp_path: Path) -> None:
    pliant("profile", suite, "--out", tmp_path / "here.json", "--seconds", "0.2")
    found = read_profile(tmp_path / "here.json")
    calm = {key: replace(each, min=each.p50 or each.min) for key, each in found.latency.items()}
    key = next(iter(calm))
    busy = {**calm, key: replace(calm[key], min=calm[key].min / 10)}
    with open_suite(suite) as opened:
        reports = [profile_report(opened, replace(found, latency=each), []) for each in (calm, busy)]
    assert "disturbed" not in reports[0]
    assert "1 of 4 subnets were measured while something else ran" in reports[1]


def test_extract_gives_what_the_suite_gives(pliant: Terminal, suite: Path, tmp_path: Path) -> None:
    said = pliant("extract", suite, "s02-fp32", "--out", tmp_path / "new" / "s02.onnx", "--json")
    assert set(json.loads(said.out)["files"]) == {
        str(tmp_path / "new" / name) for name in ("s02.onnx", "s02.onnx.data")
    }
    session = onnxruntime.InferenceSession(tmp_path / "new" / "s02.onnx", providers=["CPUExecutionProvider"])
    (depth,) = session.run(["depth"], {"images": np.zeros((1, 16, 24, 3), np.uint8)})
    assert depth.shape == (1, 16, 24)


def test_run_writes_a_picture_of_each_task(pliant: Terminal, suite: Path, photo: Path, tmp_path: Path) -> None:
    said = pliant("run", suite, photo, "--macs", "1.7M", "--out", tmp_path / "seen")
    assert said.code == 0, said.err
    for task in DENSE:
        with Image.open(tmp_path / "seen" / f"photo.{task}.png") as picture:
            assert picture.size == (50, 30)
            assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 1
    assert (tmp_path / "seen" / "photo.all.png").is_file()
    assert "was resized to 24 wide, 16 high for the network" in said.err
    assert "s02-fp32 ran" in said.out or "s01" in said.out
    assert "room is" in said.out
    assert str(tmp_path / "seen") in said.out


def test_run_of_two_images_of_one_name(pliant: Terminal, suite: Path, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "photo.png"
    other.write_bytes(photo.read_bytes())
    said = pliant("run", suite, photo, other, "--subnet", "s01-int8", "--tasks", "depth", "--json", "--out", "seen")
    report = json.loads(said.out)
    pictures = [picture for image in report["images"] for picture in image["pictures"].values()]
    assert report["subnet"] == "s01-int8"
    assert pictures == ["seen/photo-1.depth.png", "seen/photo-2.depth.png"]
    assert all((tmp_path / picture).is_file() for picture in pictures)


@pytest.mark.parametrize(("height", "width"), [(1, 2000), (3000, 1)])
def test_run_of_an_image_that_is_hardly_one(
    pliant: Terminal, suite: Path, tmp_path: Path, height: int, width: int
) -> None:
    Image.new("RGB", (width, height)).save(tmp_path / "line.png")
    said = pliant("run", suite, "line.png", "--subnet", "s01-fp32", "--out", "seen")
    assert said.code == 0, said.err
    with Image.open(tmp_path / "seen" / "line.all.png") as sheet:
        assert max(sheet.size) < 3000


def test_a_subnet_named_twice_is_verified_once(pliant: Terminal, suite: Path) -> None:
    said = pliant("verify", suite, "--json", "--subnet", "s01-int8", "--subnet", "s01-int8")
    assert [subnet["id"] for subnet in json.loads(said.out)["subnets"]] == ["s01-int8"]


def test_names_that_look_like_markup_are_shown_as_they_are(pliant: Terminal, tmp_path: Path) -> None:
    made = make()
    edges, odd = "edges", "[/x]"
    for entry in (made.manifest, *made.manifest["subnets"]):
        for part in (entry.get("tasks"), entry.get("quality"), entry.get("parts", {}).get("decoders")):
            if part is not None:
                part[odd] = part.pop(edges)
    for entry in made.manifest["subnets"]:
        entry["widths"]["decoders"][odd] = entry["widths"]["decoders"].pop(edges)
    said = pliant("inspect", made.write(tmp_path / "odd.pliant"))
    assert said.code == 0, said.err
    assert said.out.count(odd) == 2


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK"])
def test_run_takes_whatever_pillow_reads(pliant: Terminal, suite: Path, tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    Image.new(mode, (24, 16)).save(path)
    said = pliant("run", suite, path, "--subnet", "s01-fp32")
    assert said.code == 0, said.err
    assert said.err == ""


def test_doctor(pliant: Terminal) -> None:
    said = pliant("doctor", "--json")
    report = json.loads(said.out)
    assert said.code == 0
    assert report["runs"]
    assert any("onnxruntime" in finding["what"] for finding in report["findings"])
    assert {"pliant", "runs", "machine", "findings", "target", "card", "jetpack", "energy_sensors"} == set(report)
    assert "runs suites here" in pliant("doctor").out

"""Vitals: the zone nearest to its limit is told, nonsense is left out, counters become power."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pliant.devices.vitals import UNKNOWN, VitalsReader, find_zones

from .trees import ORIN_NANO, RAPL, files

THERMAL = {
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "61500\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_type": "active\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_temp": "51000\n",
    "sys/class/thermal/thermal_zone0/trip_point_1_type": "critical\n",
    "sys/class/thermal/thermal_zone0/trip_point_1_temp": "104500\n",
    "sys/class/thermal/thermal_zone0/trip_point_2_type": "passive\n",
    "sys/class/thermal/thermal_zone0/trip_point_2_temp": "99000\n",
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "-256000\n",
    "sys/class/thermal/thermal_zone2/type": "board\n",
    "sys/class/thermal/thermal_zone2/temp": "70000\n",
    "sys/class/thermal/thermal_zone3/type": "tj-thermal\n",
    "sys/class/thermal/thermal_zone3/temp": "62000\n",
    "sys/class/thermal/thermal_zone3/trip_point_0_type": "passive\n",
    "sys/class/thermal/thermal_zone3/trip_point_0_temp": "0\n",
    "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_zones_tell_where_the_kernel_slows_the_machine_down(tmp_path: Path) -> None:
    zones = find_zones(files(tmp_path, THERMAL))
    assert [(zone.name, zone.limit) for zone in zones] == [("cpu-thermal", 99.0), ("board", None), ("tj-thermal", None)]


def test_the_zone_nearest_to_its_limit_is_told_and_the_boards_power(tmp_path: Path) -> None:
    vitals = VitalsReader(files(tmp_path, {**ORIN_NANO, **THERMAL})).read()
    assert (vitals.zone, vitals.celsius, vitals.limit) == ("cpu-thermal", 61.5, 99.0)
    assert vitals.headroom == pytest.approx(37.5)
    assert str(vitals) == "cpu-thermal 61.5 °C, 6.0 W"


def test_without_limits_it_is_the_warmest_and_nothing_is_near(tmp_path: Path) -> None:
    unlimited = {name: text for name, text in THERMAL.items() if "trip_point" not in name}
    vitals = VitalsReader(files(tmp_path, unlimited)).read()
    assert (vitals.zone, vitals.celsius, vitals.headroom) == ("board", 70.0, math.inf)


def test_a_counter_becomes_power_between_two_readings(tmp_path: Path) -> None:
    clock = Clock()
    reader = VitalsReader(files(tmp_path, RAPL), clock)
    assert reader.read().watts is None
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("4000000\n")
    clock.now = 0.5
    assert reader.read().watts is None, "it was read again within a second"
    clock.now = 2.0
    assert reader.read().watts == pytest.approx(1.5)  # 3 J in 2 s
    assert str(reader.read()) == "1.5 W"


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    assert VitalsReader(tmp_path).read() == UNKNOWN
    assert str(UNKNOWN) == ""
    clock = Clock()
    reader = VitalsReader(files(tmp_path, {**ORIN_NANO, **THERMAL}), clock)
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("x\n")
    (tmp_path / "sys/class/hwmon/hwmon1/curr1_input").unlink()
    assert reader.read().watts is None
    assert reader.read().zone == "board"


def test_the_vitals_of_this_machine_are_sound() -> None:
    vitals = VitalsReader().read()
    assert vitals.celsius is None or -40.0 <= vitals.celsius <= 150.0
    assert vitals.watts is None or 0.0 <= vitals.watts < 2000.0

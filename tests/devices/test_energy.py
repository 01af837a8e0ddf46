"""Energy: made-up sensors read what they hold, wrapped counters go on, power is summed over time; the refusals."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.devices.energy import LEAST_SECONDS, Meter, energy_of, need_sensor, refusal
from pliant.devices.nvml import energy_counters
from pliant.devices.sensors import Sensor, Unwrapped, find_sensors, unreadable_rapl

from .trees import ORIN_NANO, RAPL, files


def test_the_input_rail_of_a_board_is_its_power_and_not_added_to_its_parts(tmp_path: Path) -> None:
    (sensor,) = find_sensors(files(tmp_path, ORIN_NANO))
    assert (sensor.domain, sensor.counter) == ("board", False)
    assert "VDD_IN" in sensor.covers
    assert sensor.read() == pytest.approx(6000.0)  # mW: 5 V times 1.2 A


def test_a_board_without_an_input_rail_sums_its_rails_and_says_so(tmp_path: Path) -> None:
    rails = {**ORIN_NANO, "sys/class/hwmon/hwmon1/in1_label": "VDD_GPU_SOC", "sys/class/hwmon/hwmon1/in3_label": "NC"}
    (sensor,) = find_sensors(files(tmp_path, rails))
    assert sensor.covers == "the sum of VDD_CPU_GPU_CV, VDD_GPU_SOC"
    assert sensor.read() == pytest.approx(8000.0)


def test_thors_input_monitor_counts_alone(tmp_path: Path) -> None:
    carrier = {"sys/class/hwmon/hwmon7/name": "ina238\n", "sys/class/hwmon/hwmon7/power1_input": "42000000\n"}
    rail = {**ORIN_NANO, **carrier, "sys/class/hwmon/hwmon1/in1_label": "VDD_GPU"}
    (sensor,) = find_sensors(files(tmp_path, rail))
    assert sensor.read() == pytest.approx(42000.0)


def test_rapl_counts_the_packages_only_and_goes_on_after_its_counter_begins_again(tmp_path: Path) -> None:
    (sensor,) = find_sensors(files(tmp_path, RAPL))
    assert (sensor.domain, sensor.counter) == ("processor", True)
    counter = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    with Meter(sensor) as meter:
        counter.write_text("4900000\n")
        sensor.read()
        counter.write_text("100000\n")
    assert meter.millijoules == pytest.approx(4100.0)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=20))
def test_an_unwrapped_counter_equals_the_sum_of_its_steps(steps: list[int]) -> None:
    class Counting(Unwrapped):
        def __init__(self) -> None:
            self.path, self.limit, self.total, self.last = Path(), 1000, 0, 0

    import pliant.devices.sensors as sensors

    value, counting = 0, Counting()
    with pytest.MonkeyPatch.context() as patch:
        for step in steps:
            value += step
            patch.setattr(sensors, "_need", lambda _, value=value: value % 1000)
            counted = counting()
    assert counted == sum(steps)


def test_power_is_summed_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pliant.devices.energy._EVERY", 60.0)  # the made-up clock is not for two threads
    now = [0.0]
    sensor = Sensor("made", "board", "made up", False, lambda: 1000.0 * now[0])
    with Meter(sensor, clock=lambda: now[0]) as meter:
        now[0] = 2.0
    assert meter.millijoules == pytest.approx(2000.0)  # 0 to 2 W in 2 s: 2 J


def test_the_thread_reads_while_the_work_is_done() -> None:
    seen = threading.Event()
    readings = iter([1000.0] * 3)

    def read() -> float:
        value = next(readings, None)
        if value is None:
            seen.set()
        return value or 1000.0

    with Meter(Sensor("made", "board", "made up", False, read)) as meter:
        assert seen.wait(10.0)
    assert meter.millijoules > 0.0


def test_a_run_pays_its_share() -> None:
    now = [0.0]

    def call() -> None:
        now[0] += 0.1

    sensor = Sensor("made", "board", "made up", True, lambda: 500.0 * now[0])
    use = energy_of(call, sensor, clock=lambda: now[0])
    assert use.millijoules == pytest.approx(50.0)
    assert use.seconds == pytest.approx(LEAST_SECONDS, abs=0.11)
    assert use.runs in (20, 21)


def test_a_sensor_that_fails_is_an_error_and_never_a_number(tmp_path: Path) -> None:
    (sensor,) = find_sensors(files(tmp_path, ORIN_NANO))
    with pytest.raises(OSError, match="no reading"), Meter(sensor):
        (tmp_path / "sys/class/hwmon/hwmon1/curr1_input").unlink()


def test_without_a_sensor_the_refusal_says_what_to_leave_out(tmp_path: Path) -> None:
    assert find_sensors(tmp_path) == []
    with pytest.raises(pliant.BudgetError, match="no energy sensor that pliant can read: leave energy out"):
        need_sensor(root=tmp_path)
    with pytest.raises(pliant.BudgetError, match="no energy sensor of the gpu"):
        need_sensor("gpu", files(tmp_path, RAPL))
    assert need_sensor("processor", tmp_path).name == "RAPL"


def test_a_board_sensor_serves_every_domain(tmp_path: Path) -> None:
    assert need_sensor("gpu", files(tmp_path, ORIN_NANO)).domain == "board"


def test_a_counter_for_root_only_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = files(tmp_path, RAPL)
    if os.geteuid() == 0:  # root reads everything: stand in for the refusal
        monkeypatch.setattr("pliant.devices.sensors.read_number", lambda _: None)
    else:
        (root / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0)
    assert len(unreadable_rapl(root)) == 1
    assert find_sensors(root) == []
    assert "sudo chmod a+r /sys/class/powercap" in refusal("processor", root)


class Driver:
    """NVML as its header describes it: functions that return 0 and write where a pointer says."""

    def __init__(self, energies: list[int | None]):
        self.energies = energies

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetCount_v2(self, count: object) -> int:  # noqa: N802
        return self._write(count, len(self.energies))

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, device: object) -> int:  # noqa: N802
        return self._write(device, index.value + 1)

    def nvmlDeviceGetName(self, device: ctypes.c_void_p, text: ctypes.Array[ctypes.c_char], size: object) -> int:  # noqa: N802
        text.value = b"Made-up card"
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: ctypes.c_void_p, energy: object) -> int:  # noqa: N802
        found = self.energies[(device.value or 1) - 1]
        return 3 if found is None else self._write(energy, found)  # 3: not supported

    @staticmethod
    def _write(pointer: object, value: int) -> int:
        pointer._obj.value = value  # type: ignore[attr-defined]
        return 0


def test_cards_that_count_energy_are_read_and_the_others_left_out() -> None:
    driver = Driver([None, 5000])
    ((name, read),) = energy_counters(driver)
    assert name == "Made-up card"
    driver.energies[1] = 7500
    assert read() == 7500.0
    driver.energies[1] = None
    with pytest.raises(OSError, match="NVML"):
        read()


def test_the_sensors_of_this_machine_give_sound_numbers() -> None:
    sensors = find_sensors()
    if not sensors:
        pytest.skip("this machine has no energy sensor that can be read")
    spin: Callable[[], object] = lambda: sum(range(20000))  # noqa: E731
    for sensor in sensors:
        use = energy_of(spin, sensor, seconds=0.5)
        assert 0 <= use.millijoules * use.runs / use.seconds < 2_000_000  # mW

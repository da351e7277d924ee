import json
import time

import pytest

from edgits.benchmarks.machine import DOT_PRODUCTS, FEATURES, describe_machine, machine_state, watched

CPUINFO_PI = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\nCPU part\t: 0xd0b\n\n"
CPUINFO_PI += "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n"


def write(root, **texts):
    for path, text in texts.items():
        file = root / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_a_pi_is_told_by_board_governor_clock_and_heat(tmp_path):
    write(tmp_path, proc__cpuinfo=CPUINFO_PI, proc__meminfo="MemTotal:        8245680 kB\nMemFree: 1 kB\n")
    write(tmp_path / "proc/device-tree", model="Raspberry Pi 5 Model B Rev 1.0\0")
    cpufreq = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    write(cpufreq, scaling_governor="ondemand\n", scaling_cur_freq="2400000\n", cpuinfo_max_freq="2800000\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0", temp="51200\n")
    write(tmp_path / "sys/class/thermal/thermal_zone1", temp="48000\n")
    machine = describe_machine(tmp_path)
    assert machine["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert machine["cpu"].endswith("part 0xd0b")
    assert (machine["governor"], machine["memory_mb"]) == ("ondemand", 8444)
    assert machine["features"] == ["NEON", "NEON dotprod", "NEON fp16"]
    assert machine["highest_clock_mhz"] == 2800
    state = machine_state(tmp_path)
    assert (state["clock_mhz"], state["temperature_c"]) == (2400, 51.2)


def test_what_a_system_does_not_tell_is_none(tmp_path):
    machine = describe_machine(tmp_path)
    assert machine["board"] is machine["governor"] is machine["memory_mb"] is None
    state = machine_state(tmp_path)
    assert state["clock_mhz"] is state["temperature_c"] is state["throttled"] is None
    assert machine["features"] == []
    assert state["load"] >= 0


def test_a_pc_is_told_by_its_processor(tmp_path):
    write(tmp_path, proc__cpuinfo="model name\t: Some CPU @ 3 GHz\ncpu MHz\t\t: 2594.9\n")
    assert describe_machine(tmp_path)["cpu"] == "Some CPU @ 3 GHz"
    assert machine_state(tmp_path)["clock_mhz"] == 2595


def test_this_machine_as_json_names_python_and_numpy():
    machine = json.loads(json.dumps(describe_machine()))
    assert machine["cores"] >= 1
    assert "numpy" in machine["packages"]
    assert machine["python"].startswith("3.")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("0", []),
        ("50005", ["under-voltage now", "throttled now", "under-voltage since start", "throttled since start"]),
        ("80000", ["soft temperature limit since start"]),
        ("what", None),
    ],
)
def test_throttling_is_told_in_words(tmp_path, flags, says):
    write(tmp_path / "sys/devices/platform/soc/soc:firmware", get_throttled=f"{flags}\n")
    assert machine_state(tmp_path)["throttled"] == says


def test_the_machine_is_watched_while_the_work_is_done(tmp_path):
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    write(zone, temp="40000\n")
    with watched(tmp_path) as states:
        write(zone, temp="71000\n")
        time.sleep(0.7)
        write(zone, temp="60000\n")
    assert [states[when]["temperature_c"] for when in ("before", "after")] == [40, 60]
    assert states["during"]["temperature_c"] == [40, 71]
    assert states["during"]["clock_mhz"] is states["during"]["throttled"] is None


def test_dot_products_are_features():
    assert set(FEATURES.values()) > DOT_PRODUCTS

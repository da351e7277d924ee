import threading
import time

import pytest

from edgits.benchmarks.power import Meter, regulators_watts

PI5 = """ 3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
 EXT5V_V volt(24)=5.15000000V
 3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.75000000V
"""


def counter(root, begin):
    folder = root / "sys/class/powercap/intel-rapl:0"
    folder.mkdir(parents=True)
    (folder / "max_energy_range_uj").write_text("10000000\n")
    (folder / "energy_uj").write_text(f"{begin}\n")
    return folder / "energy_uj"


@pytest.mark.parametrize(("begin", "end", "joules"), [(1_000_000, 3_500_000, 2.5), (9_000_000, 500_000, 1.5)])
def test_a_counter_is_read_before_and_after_also_where_it_wraps(tmp_path, begin, end, joules):
    file = counter(tmp_path, begin)
    meter = Meter(tmp_path)
    assert meter.source == "processor, intel-rapl:0"
    with meter.measured() as used:
        file.write_text(f"{end}\n")
    assert used() == pytest.approx(joules)


def test_a_power_is_summed_up_over_time(tmp_path):
    sensor = tmp_path / "sys/class/hwmon/hwmon2/power1_input"
    sensor.parent.mkdir(parents=True)
    sensor.write_text("4000000\n")  # 4 W
    meter = Meter(tmp_path)
    assert meter.source == "board, hwmon2"
    threads = threading.active_count()
    began = time.perf_counter()
    with meter.measured() as used:
        time.sleep(0.3)
    assert used() == pytest.approx(4 * (time.perf_counter() - began), rel=0.2)
    assert threading.active_count() == threads


def test_where_nothing_measures_nothing_is_said(tmp_path):
    meter = Meter(tmp_path)
    assert meter.source == ""
    with meter.measured() as used:
        pass
    assert used() is None


def test_a_pi_5_tells_each_rail():
    assert regulators_watts(PI5) == pytest.approx(0.37 + 1.5)
    assert regulators_watts("error=1") == 0

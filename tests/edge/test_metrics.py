import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgits.edge.board import temperature
from edgits.edge.frame import Frame
from edgits.edge.metrics import Metrics
from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import Shot


def shot(*digits: int, lost: str | None = None, age: float | None = None) -> Shot:
    frame = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0, "test")
    found = tuple(Digit(digit, 0.9, (0, 0, 5, 9)) for digit in digits)
    lines = (len(found),) if found else ()
    result = FrameResult("test", 64, 48, found, lines, {"find": 3.0, "classify": 1.0}, age_ms=age)
    return Shot(frame, result, 25.0, lost)


def read(metrics: Metrics) -> dict[str, float]:
    text, kind = metrics.expose()
    assert kind.startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]
    return {f"{one.name}{''.join(f' {k}={v}' for k, v in one.labels.items())}": one.value for one in samples}


def test_everything_is_there_from_the_start():
    values = read(Metrics())
    assert values["edgits_frames_total"] == values["edgits_camera_up"] == values["edgits_camera_losses_total"] == 0
    assert [values[f"edgits_digits_total digit={digit}"] for digit in range(10)] == [0] * 10
    assert any(name.startswith("edgits_build_info version=") for name in values)


def test_frames_digits_stages_and_losses_are_counted():
    metrics = Metrics()
    lost = shot(lost="camera lost")
    for one in (shot(7, 7, 0, age=20.0), shot(7), lost, lost, shot(3), lost):
        assert metrics.put(one)
    values = read(metrics)
    assert values["edgits_frames_total"] == 3
    assert values["edgits_digits_total digit=7"] == 3
    assert values["edgits_digits_total digit=0"] == values["edgits_digits_total digit=3"] == 1
    assert values["edgits_camera_losses_total"] == 2
    assert values["edgits_camera_up"] == values["edgits_fps"] == 0
    assert values["edgits_stage_seconds_count stage=find"] == 3
    assert values["edgits_stage_seconds_sum stage=find"] == pytest.approx(0.009)
    assert values["edgits_frame_seconds_sum"] == pytest.approx(0.012)
    assert values["edgits_frame_age_seconds"] == 0.02
    metrics.put(shot())
    assert (read(metrics)["edgits_fps"], read(metrics)["edgits_camera_up"]) == (25, 1)


def test_two_runs_count_apart():
    one, other = Metrics(), Metrics()
    one.put(shot(1))
    assert read(other)["edgits_frames_total"] == 0


def test_the_warmest_zone_counts(tmp_path):
    assert temperature(tmp_path) is None
    for number, text in enumerate(["41000\n", "52500\n", "not now", ""]):
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text)
    assert temperature(tmp_path) == 52.5

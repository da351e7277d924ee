import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from edgits.benchmarks.live import STAGES, Spread, load_truth, measure_live, text_at
from edgits.benchmarks.live_table import live_table
from edgits.cli import cli
from edgits.edge.scene import Scene
from edgits.errors import CameraError, DataError


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A video of the scene, and beside it what is in it."""
    path = tmp_path_factory.mktemp("live") / "walk.avi"
    scene = Scene(seed=5, width=320, height=240, fps=4)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 4, (320, 240))
    lines = []
    for index in range(16):
        image, truth = scene.frame(index)
        writer.write(image)
        lines.append(json.dumps({"frame": index, "text": truth.text}))
    writer.release()
    path.with_name("walk.avi.truth.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_video_is_read_by_every_model_and_judged_by_its_truth(video):
    rows = measure_live(["small", "nano"], str(video), frames=16)
    assert [row.model for row in rows] == ["small", "nano"]
    for row in rows:
        assert (row.width, row.height, row.frames) == (320, 240, 13)
        assert row.f1 is not None
        assert row.f1 > 0.7
        assert set(row.stages_ms) == set(STAGES)
        assert row.frame_ms.p50 <= row.frame_ms.p90 <= row.frame_ms.p99
        assert row.frame_ms.p99 >= max(row.stages_ms[stage].p50 for stage in STAGES if stage != "grab")
        assert row.fps == pytest.approx(1000 / row.frame_ms.p50)
        assert row.whole_ms == row.frame_ms  # four frames a second are too few to follow digits by


def test_a_video_without_truth_has_times_only(video, tmp_path):
    alone = tmp_path / "alone.avi"
    alone.write_bytes(video.read_bytes())
    (row,) = measure_live(["nano"], str(alone), frames=10)
    assert row.f1 is None
    assert row.exact is None
    assert row.frame_ms.p50 > 0


def test_the_truth_holds_until_the_next_line(tmp_path):
    video = tmp_path / "a.mp4"
    assert load_truth(video) == []
    (tmp_path / "a.mp4.truth.jsonl").write_text(
        '{"frame": 5, "text": null}\n{"frame": 2, "text": "70\\n12"}\n', encoding="utf-8"
    )
    known = load_truth(video)
    assert [text_at(known, frame) for frame in (0, 2, 4, 5, 9)] == [None, "70\n12", "70\n12", None, None]


@pytest.mark.parametrize("line", ["{", '{"frame": 1}', '{"frame": "1", "text": "2"}', '{"frame": 1, "text": 2}', "7"])
def test_a_bad_truth_is_named_with_its_line(tmp_path, line):
    (tmp_path / "a.mp4.truth.jsonl").write_text(f'{{"frame": 0, "text": "1"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2 of"):
        load_truth(tmp_path / "a.mp4")


def test_percentiles():
    assert Spread.of([1.0, 2.0, 3.0]).p50 == 2
    assert Spread.of([]) == Spread(0, 0, 0)


def test_a_scene_that_isnt_one_is_refused():
    with pytest.raises(CameraError, match="names no scene"):
        measure_live(["nano"], "scene:x", frames=10)


def test_the_table_fits_a_terminal(video):
    rows = measure_live(["small"], str(video), frames=10)
    console = Console(width=100, record=True)
    console.print(live_table(rows))
    text = console.export_text()
    assert "320x240" in text
    assert "…" not in text


def test_the_command_prints_json(video):
    result = CliRunner().invoke(
        cli, ["benchmark", "--live", "nano", "--source", str(video), "--frames", "10", "--json"]
    )
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    (row,) = value["rows"]
    assert row["model"] == "nano"
    assert {"before", "after", "cpu"} <= set(value["machine"])
    assert np.isfinite(row["frame_ms"]["p99"])


def test_the_command_prints_a_table(tmp_path):
    image = tmp_path / "wall.png"
    cv2.imwrite(str(image), np.full((120, 160), 200, np.uint8))
    result = CliRunner().invoke(cli, ["benchmark", "--live", "nano", "--source", str(image)])
    assert result.exit_code == 0, result.output
    assert "160x120, 0.0 read" in result.output
    assert "Python" in result.output


def test_options_of_live_need_live():
    result = CliRunner().invoke(cli, ["benchmark", "nano", "--frames", "10"])
    assert result.exit_code == 2
    assert "--live" in result.output

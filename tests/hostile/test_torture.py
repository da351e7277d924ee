"""The checks of `make torture` see what isn't whole: each is shown a planted fault."""

import importlib.util
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from edgits.edge.recognizer import shipped_models
from edgits.errors import EdgitsError

spec = importlib.util.spec_from_file_location("torture", Path(__file__).with_name("torture.py"))
torture = importlib.util.module_from_spec(spec)
spec.loader.exec_module(torture)


def test_half_a_line_is_seen(tmp_path):
    (tmp_path / "out.jsonl").write_text('{"frame": 0}\n{"fra')
    with pytest.raises(AssertionError, match="ends within a line"):
        torture.check_live(tmp_path)


def test_a_film_that_lacks_its_frames_is_seen(tmp_path):
    (tmp_path / "out.csv").write_text("a\n" * 400)
    (tmp_path / "out.jsonl").write_text("{}\n" * 400)
    with pytest.raises(AssertionError, match="no video after 400 frames"):
        torture.check_live(tmp_path)


@pytest.mark.parametrize("check", ["check_collect", "check_report"])
def test_half_an_image_is_seen(tmp_path, check):
    (tmp_path / "00001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(EdgitsError):
        getattr(torture, check)(tmp_path)


def test_half_a_report_is_seen(tmp_path):
    (tmp_path / "benchmark.json").write_text('{"rows": [')
    with pytest.raises(json.JSONDecodeError):
        torture.check_report(tmp_path)


def test_an_export_is_whole_refused_or_without_its_card(tmp_path):
    model = shipped_models()["nano"]
    copy = Path(shutil.copy(model, tmp_path))
    assert torture.check_export(tmp_path) == "without its card"
    shutil.copy(model.with_name(f"{model.name}.card.json"), tmp_path)
    assert torture.check_export(tmp_path) == "whole"
    copy.write_bytes(copy.read_bytes()[:-9])
    assert torture.check_export(tmp_path) == "refused"
    copy.unlink()
    with pytest.raises(AssertionError, match="has no model"):
        torture.check_export(tmp_path)


def test_half_a_training_is_seen(tmp_path):
    assert torture.check_run(tmp_path) == "begins anew or is done"
    (tmp_path / "history.csv").write_text("epoch,loss\n1,0.5\n2,")
    with pytest.raises(AssertionError, match=r"history\.csv ends within a line"):
        torture.check_run(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/model.keras").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(zipfile.BadZipFile):
        torture.check_run(tmp_path)

import importlib.util
import json

import pytest
from click.testing import CliRunner

from edgits.edge import cli, doctor
from edgits.edge.doctor import Finding, can_run, render


@pytest.fixture(scope="module")
def found():
    return doctor.examine()


def test_this_machine_can_run(found):
    assert can_run(found)
    names = {(finding.topic, finding.name) for finding in found}
    assert {("machine", "board"), ("packages", "numpy"), ("packages", "OpenCV"), ("runtimes", "litert")} <= names
    assert {finding.topic for finding in found} == {"machine", "packages", "runtimes", "extras", "cameras", "display"}
    for finding in found:
        assert "\n" not in finding.found
        assert finding.found
        assert finding.fix or finding.state != "bad"


def test_the_page_names_every_finding_and_its_fix(found):
    page = render(
        [*found, Finding("cameras", "/dev/video9", "bad", "permission denied", "sudo usermod -aG video $USER")]
    )
    for finding in found:
        assert finding.found in page
        assert finding.fix in page
    assert "→ sudo usermod" in page
    assert "1 thing to mend" in page


def test_json_and_exit_codes(monkeypatch, found):
    monkeypatch.setattr(doctor, "examine", lambda: found)
    result = CliRunner().invoke(cli.doctor, ["--json"])
    value = json.loads(result.stdout)
    assert result.exit_code == 0
    assert value["can_run"] is True
    assert value["findings"][0].keys() == {"topic", "name", "state", "found", "fix"}
    broken = [Finding("runtimes", "none", "bad", "none is installed", "pip install ai-edge-litert")]
    monkeypatch.setattr(doctor, "examine", lambda: broken)
    result = CliRunner().invoke(cli.doctor, [])
    assert result.exit_code == 1
    assert "pip install ai-edge-litert" in result.stdout
    assert "can't run yet" in result.stdout


def test_what_is_missing_comes_with_its_command(monkeypatch):
    real = importlib.util.find_spec
    gone = {"ai_edge_litert", "tflite_runtime", "onnxruntime", "pandas"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in gone else real(name))
    (runtime,) = doctor._runtimes()
    assert (runtime.state, runtime.fix) == ("bad", "pip install ai-edge-litert")
    train, onnx, *_ = doctor._extras()
    assert "pandas" in train.found
    assert train.fix == "pip install 'edgits[train]'"
    assert onnx.fix == "pip install 'edgits[onnx]'"


def test_a_clash_of_tflite_runtime_with_numpy_is_told(monkeypatch):
    versions = {"numpy": "2.4.0", "tflite-runtime": "2.14.0"}
    monkeypatch.setattr(doctor, "_version", versions.get)
    clash = next(finding for finding in doctor._packages() if finding.name == "numpy clash")
    assert clash.state == "bad"
    assert "numpy<2" in clash.fix
    versions["ai-edge-litert"] = "2.3.0"  # then it isn't needed
    assert next(finding for finding in doctor._packages() if finding.name == "numpy clash").state == "note"


def test_a_probe_that_crashes_or_hangs_is_no_answer(monkeypatch):
    assert doctor._try("print('a'); print('1.2')") == (True, "1.2")
    assert doctor._try("raise SystemError('boom')") == (False, "SystemError: boom")
    assert doctor._try("import os; os.abort()") == (False, "crashes with signal 6")
    monkeypatch.setattr(doctor, "_PROBE_SECONDS", 1)
    assert doctor._try("import time; time.sleep(60)")[1].startswith("hangs")


@pytest.mark.parametrize(
    ("code", "state", "fix"),
    [
        ("", "ok", ""),
        ("raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')", "bad", "'numpy<2'"),
        ("raise ImportError('libcamera.so.0.3: no such file')", "bad", "--reinstall python3-picamera2"),
        (None, "note", "sudo apt install python3-picamera2"),
    ],
)
def test_the_ribbon_camera_is_proven_by_importing_picamera2(monkeypatch, tmp_path, code, state, fix):
    (tmp_path / "rpicam-hello").touch(mode=0o755)
    if code is not None:
        (tmp_path / "picamera2.py").write_text(code)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    csi = next(finding for finding in doctor._cameras() if finding.name == "csi")
    assert csi.state == state
    assert fix in csi.fix

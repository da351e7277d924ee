"""Old runtimes in environments of their own, and other readers of the metadata. What can't be fetched is skipped."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgits.errors import MissingExtraError, ModelError
from edgits.export import matrix, oldest
from edgits.export.environments import Environment, run_bare
from edgits.export.feed import Samples
from edgits.export.oldest import OLD_TFLITE, Attempt, attempt, find_oldest
from edgits.export.recipes import RECIPES
from edgits.export.trial import make_trial

METADATA_READER = Environment("", "tflite-support==0.4.4", ("numpy<2",))
READ = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tflite_support import metadata
reader = metadata.MetadataDisplayer.with_model_file(sys.argv[2])
files = {name: reader.get_associated_file_buffer(name).decode() for name in reader.get_packed_associated_file_list()}
print(json.dumps([json.loads(reader.get_metadata_json()), files]))
"""


def fetched(environment):
    try:
        return environment.make()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def trial(exports, source):
    data = source.test.take(np.arange(300))
    return make_trial(exports["tflite-float32"].path, lambda _: Samples(data.images, data.labels), None)


REFUSED = {"tflite-int4"}


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("tflite")])
def test_old_runtime_answers_right(exports, source, trial, name):
    fetched(OLD_TFLITE)
    found = attempt(exports[name].path, OLD_TFLITE, RECIPES[name], source.card, trial)
    assert bool(found.problem) == (name in REFUSED), found
    assert (found.flips is None) == (name in REFUSED)


def test_standard_reader_reads_the_metadata(exports, tmp_path):
    folder = fetched(METADATA_READER)
    script = tmp_path / "read.py"
    script.write_text(READ)
    command = [sys.executable, "-I", "-S", script, folder, exports["tflite-int8"].path]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if "cannot open shared object file" in done.stderr:
        pytest.skip(f"the reader needs a library: {done.stderr.splitlines()[-1]}: apt-get install libusb-1.0-0")
    assert done.returncode == 0, done.stderr
    found, files = json.loads(done.stdout)
    assert files == {"labels.txt": "".join(f"{digit}\n" for digit in range(10))}
    assert (found["name"], found["min_parser_version"]) == ("tiny", "1.0.0")
    (graph,) = found["subgraph_metadata"]
    (image,), (scores,) = graph["input_tensor_metadata"], graph["output_tensor_metadata"]
    properties = image["content"]["content_properties"]
    assert properties == {"color_space": "GRAYSCALE", "default_size": {"width": 28, "height": 28}}
    (unit,) = image["process_units"]
    assert unit == {"options_type": "NormalizationOptions", "options": {"mean": [0.0], "std": [255.0]}}
    assert scores["associated_files"][0]["type"] == "TENSOR_AXIS_LABELS"


@pytest.mark.parametrize(
    ("runtime", "name"), [("tflite-micro", "tflite-int8-b1"), ("opencv", "onnx-float32"), ("onnxruntime", "onnx-int8")]
)
def test_bare_runtime_answers_as_the_others(exports, source, runtime, name):
    pytest.importorskip({"opencv": "cv2", "tflite-micro": "tflite_micro"}.get(runtime, runtime))
    images = source.feed.batch(source.test.images[:60])
    version, (first, rest) = run_bare(exports[name].path, runtime, [images[:1], images[1:]])
    assert version
    digits = np.concatenate([first, rest]).argmax(axis=1)
    assert np.mean(digits == source.test.labels[:60]) > 0.85


def test_what_cannot_be_fetched_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(MissingExtraError, match=r"can't fetch tflite-runtime==2\.14\.0: No matching distribution"):
        OLD_TFLITE.make()
    assert not OLD_TFLITE.folder.exists()


def test_oldest_is_the_first_that_answers_right(exports, source, trial, monkeypatch):
    """Old ones: not to be had, refusing, wrong without a word, right; the last isn't asked any more."""
    path = exports["tflite-int8"].path
    answers = run_bare(path, "litert", [trial.inputs(source.card)])[1][0]
    results = {
        "1": MissingExtraError("can't fetch it"),
        "2": ModelError("unknown operation"),
        "3": np.zeros_like(answers),
        "4": answers,
        "5": AssertionError("asked"),
    }

    def run(self, model, batches):
        result = results[self.version]
        if isinstance(result, Exception):
            raise result
        return np.split(result, np.cumsum([len(batch) for batch in batches])[:-1])

    monkeypatch.setattr(Environment, "run", run)
    monkeypatch.setattr(oldest, "HISTORY", {".tflite": [Environment("litert", f"x=={i}") for i in range(1, 6)]})
    attempts = find_oldest(path, RECIPES["tflite-int8"], source.card, trial)
    assert [found.version for found in attempts] == ["1", "2", "3", "4"]
    assert [found.tried for found in attempts] == [False, True, True, True]
    assert [bool(found.problem) for found in attempts] == [True, True, True, False]
    assert attempts[2].flips > 200


def test_matrix_shows_what_answers_and_why_not(exports, source, trial, monkeypatch):
    monkeypatch.setattr(matrix, "find_oldest", lambda *_, **__: (Attempt("litert", "1.0", 3, 0.75, ""),))

    def refuse(path):
        def run(batches):
            raise ModelError("no such operation")

        return run

    def wrong(path):
        return lambda batches: ("", [np.zeros((len(batch), 10), np.float32) for batch in batches])

    columns = [
        matrix.Column("LiteRT 9", (".tflite",), lambda path: lambda batches: run_bare(path, "litert", batches)),
        matrix.Column("Old 1", (".tflite",), refuse),
        matrix.Column("Silent 2", (".tflite",), wrong),
        matrix.Column("Other", (".onnx",), refuse),
        matrix.Column("First 1.0", (".tflite",), None),
    ]
    for name in ("tflite-int8", "c-int8"):
        row = matrix._measure_one(exports[name].path, RECIPES[name], columns, trial, lambda _: None)
        good, refused, silent, other, first = row.cells
        assert good.text.endswith(", 0") or int(good.text.split(", ")[1]) < 9
        assert (refused.text, refused.reason) == ("refused", "no such operation")
        assert silent.text.startswith("**wrong**: ")
        assert other is None
        assert first.text == "75.00%, 3"
    page = matrix.page(trial, columns, [row])
    assert "| `c-int8` |" in page
    assert "| litert 1.0 |" in page
    assert "`c-int8` on Old 1: no such operation" in page
    assert "Other: " not in page

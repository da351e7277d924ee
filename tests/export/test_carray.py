"""The C array holds the file that was checked, compiles, and its example names what the model needs."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from edgits.edge.runtimes import open_model
from edgits.export import carray
from edgits.export.structure import read_structure


@pytest.fixture(scope="module")
def files(exports):
    path = exports["c-int8"].path
    return path, *carray.written_with(path)


def test_array_is_a_model_that_answers_as_the_tflite_file_does(files, exports, source, tmp_path):
    model = tmp_path / "array.tflite"
    model.write_bytes(carray.read(files[0]))
    images = source.feed.batch(source.test.images[:40])
    assert np.array_equal(open_model(model).run(images), open_model(exports["tflite-int8-b1"].path).run(images))
    assert model.stat().st_size < exports["tflite-int8-b1"].bytes  # a board needs no card


def test_array_and_header_compile(files, tmp_path):
    """What a compiler made of them is the model, byte for byte."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    source, header, _ = files
    (tmp_path / "main.cc").write_text(
        f'#include "{header.name}"\n#include <cstdio>\n'
        "int main() { fwrite(tiny_int8, 1, tiny_int8_size, stdout); return tiny_int8_classes != 10; }\n"
    )
    program = tmp_path / "program"
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{header.parent}"]
    subprocess.run([compiler, *options, source, tmp_path / "main.cc", "-o", program], check=True)
    assert subprocess.run([program], capture_output=True, check=True).stdout == carray.read(source)


def test_example_compiles(files, tmp_path):
    """Against a stand-in that has what TFLite Micro's headers declare of it."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    for name, text in STAND_IN.items():
        path = tmp_path / "tensorflow/lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{tmp_path}"]
    subprocess.run([compiler, *options, files[2]], check=True)


STAND_IN = {
    "schema/schema_generated.h": "namespace tflite { struct Model; const Model* GetModel(const void* data); }",
    "micro/micro_mutable_op_resolver.h": """
        #pragma once
        enum TfLiteStatus { kTfLiteOk, kTfLiteError };
        namespace tflite { template <unsigned int n> struct MicroMutableOpResolver {
          TfLiteStatus AddConv2D(); TfLiteStatus AddFullyConnected(); TfLiteStatus AddReshape();
          TfLiteStatus AddShape(); TfLiteStatus AddStridedSlice(); TfLiteStatus AddPack(); }; }
        """,
    "micro/micro_interpreter.h": """
        #include <cstddef>
        #include <cstdint>
        #include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
        struct TfLiteTensor { struct { int8_t* int8; } data; };
        namespace tflite { struct Model; struct MicroInterpreter {
          template <class R> MicroInterpreter(const Model* model, const R& resolver, uint8_t* arena, size_t size);
          TfLiteStatus AllocateTensors(); TfLiteStatus Invoke();
          TfLiteTensor* input(size_t i); TfLiteTensor* output(size_t i); }; }
        """,
}


def test_example_names_every_operation_once(files, exports):
    operations = read_structure(exports["tflite-int8-b1"].path).operations
    text = files[2].read_text()
    assert len(re.findall(r"operations\.Add\w+\(\)", text)) == len(operations)
    assert f"MicroMutableOpResolver<{len(operations)}>" in text
    assert "operations.AddConv2D()" in text


def test_header_has_the_tensors_scales(files, exports):
    spec = open_model(exports["tflite-int8-b1"].path).input
    text = files[1].read_text()
    assert float(re.search(r"tiny_int8_input_scale = (\S+)f;", text)[1]) == pytest.approx(spec.scale)
    assert f"tiny_int8_input_zero_point = {spec.zero_point};" in text


def test_model_fits_the_examples_arena(files):
    tflite_micro = pytest.importorskip("tflite_micro")
    arena = int(re.search(r"kArenaBytes = (\d+)", files[2].read_text())[1])
    interpreter = tflite_micro.runtime.Interpreter.from_bytes(carray.read(files[0]), arena_size=arena)
    interpreter.set_input(np.zeros((1, 28, 28, 1), np.int8), 0)
    interpreter.invoke()


def test_name_that_c_would_not_take(source, exports, tmp_path):
    card = source.card
    path = tmp_path / "7-segment v2.cc"
    carray.write(b"model", path, card, read_structure(exports["tflite-int8-b1"].path))
    assert "const unsigned char model_7_segment_v2[]" in path.read_text()
    assert "extern const unsigned char model_7_segment_v2[];" in path.with_suffix(".h").read_text()

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgits.card import ModelCard, TensorSpec, card_path, load_card
from edgits.dataset import DIGITS
from edgits.errors import ModelError
from edgits.normalize import VERSION, Normalization

SPECS = st.builds(
    TensorSpec,
    shape=st.just((28, 28, 1)),
    dtype=st.sampled_from(["float32", "int8", "uint8"]),
    scale=st.floats(0, 1),
    zero_point=st.integers(-128, 255),
)
CARDS = st.builds(
    ModelCard,
    name=st.text(min_size=1, max_size=20),
    format=st.sampled_from(["keras", "tflite-int8", "onnx-float32"]),
    labels=st.just((*DIGITS, "none")),
    input=SPECS,
    output=st.just(TensorSpec((11,), "int8", 0.1, 3)),
    scores=st.sampled_from(["logits", "probabilities"]),
    normalization=st.builds(Normalization, method=st.sampled_from(["ink", "resize"]), size=st.integers(8, 64)),
    temperature=st.floats(0.01, 10),
    reject_threshold=st.floats(0, 1),
    parameters=st.integers(0, 10**7),
    macs=st.integers(0, 10**9),
    training=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3),
    accuracy=st.just({"value": 0.98, "n": 100, "correct": 98, "ci95": [0.93, 0.99], "data": "test"}),
)


def card(**changes):
    fields = {
        "name": "small",
        "format": "tflite-int8",
        "labels": DIGITS,
        "input": TensorSpec((28, 28, 1)),
        "output": TensorSpec((10,)),
    }
    return ModelCard(**fields | changes)


@given(CARDS)
def test_json_round_trip(made):
    assert ModelCard.from_json(json.loads(json.dumps(made.to_json())), source="x") == made


def test_saved_card_lies_beside_its_file_and_is_loaded_with_it(tmp_path):
    model = tmp_path / "small-int8.tflite"
    model.write_bytes(b"\0" * 100)
    signed = card().save(model)
    assert card_path(model) == tmp_path / "small-int8.tflite.card.json"
    assert len(signed.sha256) == 64
    assert load_card(model) == signed


def test_no_card_is_no_error(tmp_path):
    (tmp_path / "found.tflite").write_bytes(b"x")
    assert load_card(tmp_path / "found.tflite") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, 199), st.integers(0, 7))
def test_any_flipped_bit_is_refused(tmp_path, place, bit):
    model = tmp_path / "model.tflite"
    data = bytearray(range(200))
    model.write_bytes(data)
    card().save(model)
    data[place] ^= 1 << bit
    model.write_bytes(data)
    with pytest.raises(ModelError, match="isn't the file its card was written for"):
        load_card(model)


def change(**changes):
    return lambda value: value | changes


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (change(schema=2), "schema 2, this edgits reads 1"),
        (lambda value: {name: field for name, field in value.items() if name != "labels"}, "labels"),
        (change(surprise=1), "surprise"),
        (change(labels=list("0123456789x")), "11 labels for 10 outputs"),
        (change(temperature=0), "temperature must be above 0"),
        (change(reject_threshold=1.5), "threshold must be 0 to 1"),
        (change(normalization={"method": "ink", "size": 28, "version": VERSION + 1}), "normalisation version"),
        (change(input={"side": 28}), "no model card"),
        (lambda value: [], "no model card"),
        (lambda value: None, "no model card"),
    ],
)
def test_a_card_that_is_wrong_is_one_clear_error(tmp_path, damage, says):
    model = tmp_path / "model.tflite"
    model.write_bytes(b"x")
    signed = card().save(model)
    card_path(model).write_text(json.dumps(damage(signed.to_json())))
    with pytest.raises(ModelError, match=says) as error:
        load_card(model)
    assert "\n" not in str(error.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100))
def test_any_bytes_in_place_of_a_card_are_a_model_error(tmp_path, data):
    model = tmp_path / "model.tflite"
    model.write_bytes(b"x")
    card_path(model).write_bytes(data)
    with pytest.raises(ModelError):
        load_card(model)


def test_values_at_the_ends_of_their_ranges():
    assert card(reject_threshold=1.0).reject_threshold == 1.0
    assert card(reject_threshold=0.0).reject_threshold == 0.0
    for temperature in (float("inf"), 0.0, float("nan")):
        with pytest.raises(ModelError, match="temperature"):
            card(temperature=temperature)


def test_a_card_that_never_ends_is_not_read_to_its_end(tmp_path):
    model = tmp_path / "m.tflite"
    model.write_bytes(b"x")
    saved = card().save(model)
    path = card_path(model)
    assert load_card(model) == saved
    path.write_text(path.read_text() + " " * 2**20)
    assert load_card(model) == saved, "what follows is blank"
    path.write_text(" " * 2**20 + json.dumps(saved.to_json()))
    with pytest.raises(ModelError, match=r"m\.tflite\.card\.json' can't be read: .*export the model again"):
        load_card(model)


def test_a_schema_of_any_text_begins_no_line_of_the_message():
    with pytest.raises(ModelError, match=r"has card schema 'a\\nb', this edgits reads"):
        ModelCard.from_json({"schema": "a\nb"}, source="card")

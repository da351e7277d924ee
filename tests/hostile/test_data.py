"""Data sets and cards that were made to harm."""

import gzip
import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS
from edgits.errors import DataError, EdgitsError, ModelError
from edgits.limits import BYTES
from edgits.train.data import load_dataset

ALMOST_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
CARD = ModelCard(
    name="small", format="tflite-int8", labels=DIGITS, input=TensorSpec((28, 28, 1)), output=TensorSpec((10,))
).to_json()


def idx(count, side, data, *, dimensions=3):
    sizes = [count, side, side][:dimensions]
    return bytes([0, 0, 8, dimensions]) + b"".join(struct.pack(">I", size) for size in sizes) + data


def sources(folder):
    """Writes one good set in each form, and returns the file of each that is to be damaged."""
    images = np.random.default_rng(1).integers(0, 255, (4, 8, 8), np.uint8)
    labels = np.array([0, 1, 2, 3], np.uint8)
    np.savez_compressed(folder / "set.npz", images=images, labels=labels)
    (folder / "x-images-idx3-ubyte").write_bytes(idx(4, 8, images.tobytes()))
    (folder / "x-labels-idx1-ubyte").write_bytes(idx(4, 8, labels.tobytes(), dimensions=1))
    lines = ["label," + ",".join(f"pixel{i}" for i in range(64))]
    lines += [",".join(map(str, [label, *image.ravel()])) for label, image in zip(labels, images, strict=True)]
    (folder / "set.csv").write_text("\n".join(lines) + "\n")
    return {"npz": folder / "set.npz", "idx": folder / "x-images-idx3-ubyte", "csv": folder / "set.csv"}


@pytest.mark.parametrize("kind", ["npz", "idx", "csv"])
def test_damaged_sets_are_read_or_refused(tmp_path, tried, cases, kind):
    path = sources(tmp_path)[kind]
    good = path.read_bytes()
    assert len(load_dataset(str(path))) == 4
    changes = st.dictionaries(st.integers(0, len(good) - 1), st.integers(0, 255), max_size=5)

    @cases(150)
    @given(changes, st.integers(0, len(good)) | st.just(len(good)))
    def run(exchanged, length):
        data = bytearray(good)
        for place, value in exchanged.items():
            data[place] = value
        path.write_bytes(bytes(data[:length]))
        said = ""
        try:
            assert len(load_dataset(str(path))) <= 4
        except DataError as error:
            said = str(error)
        assert len(said.splitlines()) <= 1
        tried(f"data sets damaged, {kind}")

    run()


class Harm:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("where", ["images", "labels"])
def test_a_pickle_in_an_npz_is_not_run(tmp_path, where):
    arrays = {"images": np.zeros((2, 8, 8), np.uint8), "labels": np.array([0, 1])}
    np.savez(tmp_path / "set.npz", **arrays | {where: np.array([Harm(), Harm()], object)})
    with pytest.raises(DataError, match="can't read"):
        load_dataset(str(tmp_path / "set.npz"))


def test_a_pickle_by_the_name_of_an_npz_is_not_run(tmp_path):
    (tmp_path / "set.npz").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(DataError, match="no npz archive"):
        load_dataset(str(tmp_path / "set.npz"))


def test_names_from_a_file_begin_no_line_of_a_message(tmp_path):
    (tmp_path / "head.csv").write_text('"first\nsecond",pixel0\n1,2\n')
    (tmp_path / "cell.csv").write_text('label,"pixel\n0"\n1,x\n')
    np.savez(tmp_path / "names.npz", **{"first\nsecond": np.zeros(2)})
    for path in tmp_path.iterdir():
        with pytest.raises(DataError) as error:
            load_dataset(str(path))
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("where", ["images", "labels"])
def test_a_member_that_is_no_array_is_refused(tmp_path, where):
    path = sources(tmp_path)["npz"]
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, b"text" if name == f"{where}.npy" else content)
    with pytest.raises(DataError, match=f"'{where}' in .* is no array"):
        load_dataset(str(path))


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, count in (("images", 5), ("labels", 1)):
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                head, {"descr": "|u1", "fortran_order": False, "shape": (count * 10**9,)}
            )
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(head.getvalue() + bytes(10**6))
    data = bytearray((tmp_path / "set.npz").read_bytes())
    # what the directory declares, not what is packed: 5 GB
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 4_200_000_000)
    (tmp_path / "set.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"declares 4\.2 GB of data, more than 4; .*EDGITS_MAX_GIGABYTES=5"):
        load_dataset(str(tmp_path / "set.npz"))


def test_an_idx_file_that_declares_more_than_the_memory_is_refused(tmp_path):
    for name, dimensions in (("x-images-idx3-ubyte.gz", 3), ("x-labels-idx1-ubyte.gz", 1)):
        (tmp_path / name).write_bytes(gzip.compress(idx(2**32 - 1, 2**31, b"", dimensions=dimensions)))
    with pytest.raises(DataError, match="more than 4; give less at once"):
        load_dataset(str(tmp_path))


def test_the_limit_of_data_can_be_raised(tmp_path, monkeypatch):
    path = sources(tmp_path)["npz"]
    monkeypatch.setenv(BYTES.variable, "0.0000001")
    with pytest.raises(DataError, match=r"declares 0\.0 GB"):
        load_dataset(str(path))
    monkeypatch.setenv(BYTES.variable, "1")
    assert len(load_dataset(str(path))) == 4


def replaced(value, path, new):
    """Returns JSON with the value at `path`, a list of numbers that choose a child each, replaced."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    chosen = keys[path[0] % len(keys)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[chosen] = replaced(value[chosen], path[1:], new)
    return copy


def test_a_card_with_anything_in_any_place_is_read_or_refused(tried, cases):
    @cases(300)
    @given(st.lists(st.integers(0, 20), min_size=1, max_size=3), ALMOST_JSON)
    def run(path, new):
        try:
            card = ModelCard.from_json(json.loads(json.dumps(replaced(CARD, path, new))), source="card")
        except ModelError as error:
            assert len(str(error)) < 400  # noqa: PT017 - both ends are right
        else:
            assert card.temperature > 0
            assert isinstance(card.normalization.size, int)
        tried("cards with anything in any place")

    run()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": ' * 50_000, "1" * 5000, "\ufeff{}", "NaN", ""])
def test_a_card_that_is_a_trap_for_parsers_is_one_error(tmp_path, text):
    model = tmp_path / "m.tflite"
    model.write_bytes(b"x")
    (tmp_path / "m.tflite.card.json").write_text(text)
    from edgits.card import load_card

    with pytest.raises(EdgitsError):
        load_card(model)

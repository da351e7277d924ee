"""Images that were made to harm: cut, flipped, enormous, of odd kinds."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from edgits.errors import DataError
from edgits.image_size import declared_size
from edgits.images import read_image
from edgits.limits import PIXELS
from edgits.normalize import Normalization
from edgits.quiet import quiet

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")


def encoded(form, *, size=(31, 17), mode="RGB", **options):
    out = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(out, form, **options)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_zeros(width, height):
    """A few bytes that unpack to a grey picture of any size."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def read(folder, data):
    path = folder / "picture.png"
    path.write_bytes(data)
    with quiet():
        return read_image(path)


def image_or_error(folder, data):
    try:
        image = read(folder, data)
    except DataError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (31, 17), (300, 2)])
def test_the_declared_size_is_the_size(form, size):
    assert declared_size(encoded(form, size=size)) == size


@pytest.mark.parametrize("options", [{"lossless": True}, {"exact": True, "mode": "RGBA"}, {"quality": 10}])
def test_every_kind_of_webp_declares_its_size(options):
    assert declared_size(encoded("WEBP", **options)) == (31, 17)


def test_a_progressive_jpeg_with_a_thumbnail_declares_its_own_size():
    thumbnail = encoded("JPEG", size=(8, 8))
    assert declared_size(encoded("JPEG", progressive=True, exif=b"Exif\0\0" + thumbnail)) == (31, 17)


@pytest.mark.parametrize("form", FORMATS)
def test_cut_at_every_length_it_is_read_or_refused(tmp_path, tried, form):
    data = encoded(form)
    for length in range(0, len(data), max(1, len(data) // 150)):
        image_or_error(tmp_path, data[:length])
        tried(f"images cut short, {form}")


@pytest.mark.parametrize("form", FORMATS)
def test_with_bytes_exchanged_it_is_read_or_refused(tmp_path, tried, cases, form):
    data = encoded(form)
    places = st.dictionaries(st.integers(0, len(data) - 1), st.integers(0, 255), min_size=1, max_size=6)

    @cases(60)
    @given(places | st.dictionaries(st.integers(0, min(60, len(data) - 1)), st.integers(0, 255), min_size=1))
    def run(changes):
        changed = bytearray(data)
        for place, value in changes.items():
            changed[place] = value
        image_or_error(tmp_path, bytes(changed))
        tried(f"images with bytes exchanged, {form}")

    run()


@pytest.mark.parametrize(
    "head", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF", b"BM", b"II*\0", b"P5 "]
)
def test_any_bytes_behind_a_magic_number_declare_a_size_or_none(tried, cases, head):
    @cases(100)
    @given(st.binary(max_size=120))
    def run(data):
        found = declared_size(head + data)
        assert found is None or (len(found) == 2 and min(found) >= 0)
        tried("image headers of any bytes")

    run()


def read_in_little_memory(path):
    """Returns what is said of a file that can't be read; fails where that takes 50 MB or two minutes."""
    code = (
        "import resource, sys; from pathlib import Path; from edgits.images import read_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_image(Path(sys.argv[1]))\n"
        "except ValueError as error: print(error)\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_enormous_picture_in_a_few_bytes_costs_neither_memory_nor_time(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_zeros(30000, 30000))
    assert path.stat().st_size < 2_000_000
    said = read_in_little_memory(path)
    assert "declares 30000x30000 pixels, more than 64 million" in said
    assert "EDGITS_MAX_MEGAPIXELS=900" in said


@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt", b"acTL", b"IEND"])
def test_a_chunk_that_declares_gigabytes_costs_neither_memory_nor_time(tmp_path, kind):
    good = encoded("PNG")
    long = struct.pack(">I", 0xFF00001E) + kind + bytes(30)
    (tmp_path / "long.png").write_bytes(good[:33] + long + good[33:])
    assert "holds no readable image" in read_in_little_memory(tmp_path / "long.png")


@pytest.mark.parametrize("size", [(2**31 - 1, 0), (0, 2**31 - 1)])
def test_a_picture_of_no_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch, size):
    monkeypatch.setattr("edgits.images.cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    data = encoded("PNG")
    with pytest.raises(DataError, match="holds no readable image"):
        read(tmp_path, data[:16] + struct.pack(">II", *size) + data[24:])


def test_bytes_behind_a_pictures_end_do_no_harm(tmp_path):
    assert read(tmp_path, encoded("PNG") + b"a note").shape == (17, 31, 3)


def test_the_limit_can_be_lowered_and_raised(tmp_path, monkeypatch):
    data = encoded("PNG", size=(200, 100))
    monkeypatch.setenv(PIXELS.variable, "0.019")
    with pytest.raises(DataError, match="200x100"):
        read(tmp_path, data)
    monkeypatch.setenv(PIXELS.variable, "0.02")
    assert read(tmp_path, data).shape == (100, 200, 3)


@pytest.mark.parametrize("value", ["many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_named(monkeypatch, value):
    monkeypatch.setenv(PIXELS.variable, value)
    with pytest.raises(DataError, match=f"EDGITS_MAX_MEGAPIXELS is '{value}'"):
        PIXELS.amount()


def test_a_file_without_an_end_is_read_no_further_than_an_image_may_go(tmp_path, monkeypatch):
    monkeypatch.setenv(PIXELS.variable, "0.1")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"larger than an image of 0\.1 million pixels"):
        read_image(tmp_path / "endless.png")


@pytest.mark.parametrize(("form", "mode"), [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("PNG", "I;16"), ("TIFF", "1")])
def test_white_is_white_in_every_kind_of_colour(tmp_path, form, mode):
    white = {"CMYK": (0, 0, 0, 0), "I;16": 65535, "1": 1}[mode]
    out = io.BytesIO()
    Image.new(mode, (30, 20), white).save(out, form)
    assert read(tmp_path, out.getvalue()).min() >= 254


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_picture_is_read(tmp_path, form):
    out = io.BytesIO()
    first, second = (Image.new("RGB", (30, 20), colour) for colour in ("white", "black"))
    first.save(out, form, save_all=True, append_images=[second])
    assert read(tmp_path, out.getvalue()).min() > 250


@pytest.mark.parametrize("form", ["GIF", "PNG"])
def test_a_transparent_palette_lies_on_white(tmp_path, form):
    picture = Image.new("P", (30, 20), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    out = io.BytesIO()
    picture.save(out, form, transparency=0)
    assert read(tmp_path, out.getvalue()).min() == 255


def test_a_transparent_picture_of_16_bits_lies_on_white(tmp_path):
    import cv2

    picture = np.zeros((20, 30, 4), np.uint16)
    picture[5:15, 5:15, 3] = 65535
    found = read(tmp_path, cv2.imencode(".png", picture)[1].tobytes())
    assert (found[0, 0].tolist(), found[10, 10].tolist()) == ([255] * 3, [0] * 3)


def test_a_transparent_picture_that_is_to_be_turned_is_read(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGBA", (30, 20), (0, 0, 0, 0)).save(out, "PNG", exif=exif)
    assert read(tmp_path, out.getvalue()).min() == 255


@pytest.mark.parametrize("method", ["ink", "resize"])
def test_no_crop_makes_the_normalisation_fail(tried, cases, method):
    sides = st.tuples(st.integers(1, 40), st.integers(1, 40)) | st.tuples(st.integers(1, 3), st.integers(1, 300))
    normalization = Normalization(method)
    levels = st.sampled_from([0, 255]) | st.integers(0, 255)

    @cases(150)
    @given(arrays.arrays(np.uint8, sides, elements=levels, fill=levels), st.data())
    def run(crop, data):
        height, width = crop.shape
        crop[: data.draw(st.integers(0, height)), : data.draw(st.integers(0, width))] = data.draw(levels)
        made = normalization.one(crop)
        assert (made.shape, made.dtype) == ((28, 28), np.uint8)
        tried("crops normalised")

    run()


def test_a_plane_beside_a_steep_edge_may_overshoot():
    crop = np.full((12, 28), 255, np.uint8)
    crop[:8, :26] = 0
    assert Normalization("ink").one(crop).shape == (28, 28)

"""Looks for input that our parsers fail on, led by the lines of code that each try reaches: `make guided`.

It begins with whole files of each kind and changes their bytes (atheris, libFuzzer). Whatever it tries must end
as it should or in an `EdgitsError` of one line. What it finds is written beside it as `crash-…`, and belongs into a
test.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import cv2
import numpy as np

with atheris.instrument_imports(include=["edgits"]):
    from edgits import card, image_size, images
    from edgits.edge import recognizer
    from edgits.errors import EdgitsError
    from edgits.train import data

MOST_BYTES = 30_000
Try = Callable[[bytes], object]


def tries(place: Path) -> dict[str, Try]:
    """What reads each kind of file; they are written into `place`."""

    def put(name: str, content: bytes) -> Path:
        path = place / name
        path.write_bytes(content)
        return path

    def idx(content: bytes) -> None:
        half = len(content) // 2
        put("train-labels-idx1-ubyte", content[half:])
        data.load_dataset(str(put("train-images-idx3-ubyte", content[:half])))

    def read_card(content: bytes) -> None:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            return
        card.ModelCard.from_json(value, source="card")

    return {
        "size": image_size.declared_size,
        "image": lambda content: images.read_image(put("image", content)),
        "idx": idx,
        "npz": lambda content: data.load_dataset(str(put("set.npz", content))),
        "csv": lambda content: data.load_dataset(str(put("set.csv", content))),
        "card": read_card,
    }


def write_seeds(folder: Path, kind: str) -> None:
    """Writes whole files of a kind to begin with."""
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8)
    if kind in ("size", "image"):
        for suffix in ("png", "jpg", "bmp", "webp", "tiff", "pgm"):
            cv2.imwrite(str(folder / f"image.{suffix}"), picture)
        (folder / "image.gif").write_bytes(b"GIF89a\x05\x00\x05\x00" + bytes(20))
    elif kind == "idx":
        pair = struct.pack(">I3I", 0x803, 4, 2, 2) + bytes(16), struct.pack(">II", 0x801, 4) + bytes([0, 1, 2, 3])
        (folder / "pair").write_bytes(pair[0] + pair[1].ljust(len(pair[0]), b"\0"))
    elif kind == "npz":
        np.savez(folder / "gray.npz", images=picture[None], labels=np.array([1]))
        np.savez_compressed(folder / "colour.npz", images=np.zeros((2, 4, 4, 3), np.float32), label=np.array([1, 2]))
    elif kind == "csv":
        (folder / "set.csv").write_text("label,pixel0,pixel1,pixel2,pixel3\n1,0,255,3,4\n2,1,2,3,4\n")
    else:
        for model in recognizer.shipped_models().values():
            path = card.card_path(model)
            (folder / path.name).write_bytes(path.read_bytes())


def fuzz(kind: str, seconds: int) -> None:
    """Tries a kind for so long; ends the process, with an exit code above 0 where it has found something."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        folder, seeds = Path(place, "files"), Path(place, "seeds")
        folder.mkdir()
        seeds.mkdir()
        write_seeds(seeds, kind)
        attempt = tries(folder)[kind]

        def once(content: bytes) -> None:
            said = "one line"
            try:
                attempt(content)
            except EdgitsError as error:
                said = str(error)
            assert len(said.splitlines()) == 1, said

        limits = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", "-rss_limit_mb=4096", "-timeout=20"]
        atheris.Setup([sys.argv[0], str(seeds), *limits, "-verbosity=1", "-print_final_stats=1"], once)
        atheris.Fuzz()


def main() -> int:
    """Tries every kind in a process of its own; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each kind")
    parser.add_argument("--kind", choices=list(tries(Path())), help="this one alone, and all that libFuzzer says")
    options = parser.parse_args()
    if options.kind:
        fuzz(options.kind, options.seconds)
    failed = 0
    for kind in tries(Path()):
        command = [sys.executable, __file__, "--kind", kind, "--seconds", str(options.seconds)]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        said = dict(line.removeprefix("stat::").split(":", 1) for line in run.stderr.splitlines() if "stat::" in line)
        count = int(said.get("number_of_executed_units", 0))
        sys.stdout.write(f"{kind:6} {count:12,} tried   {'FAILED' if run.returncode else 'none failed'}\n")
        sys.stdout.flush()
        if run.returncode:
            failed += 1
            sys.stdout.write(run.stderr[-4000:] + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Kills commands with SIGKILL at random moments and looks at what they leave: `make torture`.

What was finished must be whole; what was not must be absent, or be refused in one line, and the next run must go on.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from edgits.card import load_card
from edgits.errors import EdgitsError, ModelError
from edgits.images import read_image
from edgits.train.data import load_dataset

_SCENE = ("--source", "scene", "--headless", "--model", "nano")
_LOST_FRAMES = 150  # what the encoder holds and the last piece: some seconds
_VIDEO = "film.mp4"
_ENDLESS = 3600.0  # seconds; what takes longer hangs
_TRAININGS = 20  # kills of 200


@dataclass(frozen=True)
class Victim:
    """A command, what must hold whenever it was killed, and whether the folder is kept for the next run."""

    name: str
    arguments: Callable[[Path], list[str]]
    check: Callable[[Path], str]
    kept: bool
    kills: int
    seconds: float | None  # within which it is killed; None for as long as one whole run takes


def visible(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob(pattern)) if not path.name.startswith(".") and path.is_file())


def check_live(folder: Path) -> str:
    lines = 0
    for name in ("out.jsonl", "out.csv"):
        path = folder / name
        text = path.read_text() if path.exists() else ""
        assert text == "" or text.endswith("\n"), f"{name} ends within a line"
        lines = len(text.splitlines())
    for line in (folder / "out.jsonl").read_text().splitlines() if lines else ():
        json.loads(line)
    video = folder / _VIDEO
    if not video.exists():
        assert lines < _LOST_FRAMES, f"no video after {lines} frames"
        return "no video yet"
    reader = cv2.VideoCapture(str(video))
    frames = 0
    while reader.read()[0]:
        frames += 1
    assert frames >= lines - _LOST_FRAMES, f"{frames} frames of {lines} play"
    return "the video plays" if frames else "the video is still empty"


def check_collect(folder: Path) -> str:
    for path in visible(folder, "*.png"):
        read_image(path)
    return "every image is whole"


def check_report(folder: Path) -> str:
    for path in visible(folder, "*.json"):
        json.loads(path.read_text())
    for path in visible(folder, "*.xlsx"):
        assert zipfile.ZipFile(path).testzip() is None
    for path in visible(folder, "*.png"):
        read_image(path)
    return "report is whole" if any(visible(folder, "*.json")) else "no report yet"


def check_export(folder: Path) -> str:
    states = Counter()
    for path in [*visible(folder, "*.tflite"), *visible(folder, "*.onnx"), *visible(folder, "*.keras")]:
        try:
            states["whole" if load_card(path) else "without its card"] += 1
        except ModelError as error:
            if "isn't the file" not in str(error):
                raise
            states["refused"] += 1
    for path in visible(folder, "*.card.json"):
        json.loads(path.read_text())
        assert path.with_name(path.name.removesuffix(".card.json")).exists(), f"{path.name} has no model"
    return ", ".join(sorted(states)) or "no files yet"


def check_run(folder: Path) -> str:
    check_report(folder)
    check_export(folder)
    for path in [*visible(folder, "*.keras"), *visible(folder, "*.npz")]:
        assert zipfile.ZipFile(path).testzip() is None, f"{path.name} is not whole"
    for path in visible(folder, "*.csv"):
        assert path.read_bytes().endswith(b"\n"), f"{path.name} ends within a line"
    return "goes on after an epoch" if (folder / "checkpoint/model.keras").exists() else "begins anew or is done"


def outcome(run: Path) -> tuple[list[bytes], list[dict[str, str]]]:
    """Weights and history of a training, without its times."""
    import keras

    with open(run / "history.csv", newline="") as file:
        rows = [{key: row[key] for key in row if key not in ("seconds", "waited")} for row in csv.DictReader(file)]
    return [weights.tobytes() for weights in keras.models.load_model(run / "model.keras").get_weights()], rows


def victims(run: Path | None, data: Path) -> list[Victim]:
    """Returns the commands; `run` is a run folder to export, None for no export."""
    live = ["live", *_SCENE, "--max-frames", "2000", "--record", _VIDEO, "--jsonl", "out.jsonl", "--csv", "out.csv"]
    benchmark = ["benchmark", "nano", "--data", str(data), "--repeat", "20", "--out"]
    found = [
        Victim("live --record", lambda _: live, check_live, False, 60, 8),
        Victim(
            "collect",
            lambda folder: ["collect", str(folder / "set"), *_SCENE, "--label", "truth"],
            check_collect,
            True,
            60,
            8,
        ),
        Victim(
            "benchmark",
            lambda folder: [*benchmark, str(folder / "report")],
            check_report,
            True,
            30,
            12,
        ),
    ]
    if run is not None:
        out = ["export", str(run), "--format", "tflite-float32", "--format", "tflite-int8"]
        found.append(
            Victim("export", lambda folder: [*out, "--out", str(folder / "out")], check_export, True, 30, None)
        )
    return found


def kill_once(arguments: list[str], folder: Path, seconds: float) -> bool:
    """Starts a command and kills it with all that it started; returns whether it was still running."""
    child = subprocess.Popen(
        [sys.executable, "-m", "edgits", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        child.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def torture(victim: Victim, kills: int, *, pace: float, seed: random.Random) -> Counter[str]:
    """Kills a command `kills` times; returns how often each state was found."""
    states: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        seconds = victim.seconds
        if seconds is None:
            began = time.monotonic()
            assert not kill_once(victim.arguments(folder), folder, _ENDLESS), "it doesn't end"
            seconds = time.monotonic() - began
            states["(not killed) " + victim.check(folder)] += 1
        for number in range(kills):
            if not victim.kept:
                folder = Path(place) / str(number)
                folder.mkdir()
            running = kill_once(victim.arguments(folder), folder, seed.uniform(0.02, 1) * seconds * pace)
            states[("" if running else "(had ended) ") + victim.check(folder)] += 1
    return states


def torture_training(kills: int, *, seed: random.Random) -> Counter[str]:
    """Kills a training and lets it go on until it is done, again and again: each must end as an undisturbed one."""
    states: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        data, undisturbed, run = place / "data.npz", place / "undisturbed", place / "run"
        few = load_dataset("mnist5k").take(np.arange(0, 5000, 10))
        np.savez(data, images=few.images, labels=few.labels)
        train = ["train", str(data), "--recipe", "nano", "--epochs", "4", "--batch-size", "50", "--out"]
        began = time.monotonic()
        assert not kill_once([*train, str(undisturbed)], place, _ENDLESS), "it doesn't end"
        seconds = time.monotonic() - began
        expected = outcome(undisturbed)
        while kills > 0 or run.exists():
            limit = seed.uniform(0.2, 1) * seconds if kills > 0 else _ENDLESS
            if kill_once([*train, str(run), "--resume"], place, limit):
                kills -= 1
                states[check_run(run)] += 1
            else:
                assert outcome(run) == expected, "it ends otherwise than an undisturbed training"
                states["(not killed) ends as an undisturbed one"] += 1
                shutil.rmtree(run)
    return states


def main() -> int:
    """Runs it; exit code 1 if something was not whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many in all")
    parser.add_argument("--export", type=Path, metavar="RUN", help="a run folder to export; without it no export")
    parser.add_argument("--only", help="this command alone")
    parser.add_argument("--pace", type=float, default=1.0, help="longer on a slow machine")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seed = random.Random(options.seed)
    began, total = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data.npz"
        rng = np.random.default_rng(0)
        np.savez(data, images=rng.integers(0, 255, (200, 28, 28), np.uint8), labels=np.arange(200) % 10)
        chosen = [victim for victim in victims(options.export, data) if options.only in (None, victim.name.split()[0])]
        jobs = [
            (victim.name, victim.kills, partial(torture, victim, pace=options.pace, seed=seed)) for victim in chosen
        ]
        if options.only in (None, "train"):
            jobs.append(("train --resume", _TRAININGS, partial(torture_training, seed=seed)))
        share = options.kills / sum(kills for _, kills, _ in jobs)
        for name, weight, job in jobs:
            kills = max(1, round(weight * share))
            try:
                states = job(kills)
            except (AssertionError, EdgitsError, ValueError, OSError, zipfile.BadZipFile) as error:
                sys.stdout.write(f"{name}: not whole: {error}\n")
                return 1
            total += kills
            told = " · ".join(f"{state}: {count}" for state, count in states.most_common())
            sys.stdout.write(f"{name:14} killed {kills:3} times   {told}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{total} kills in {time.monotonic() - began:.0f} s: what was finished is whole\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs the live loop with everything on, spoils its camera again and again, and prints what it costs: `make soak`.

Web page, metrics, a recording with a limit, JSON lines, a broker where mosquitto is installed, and clients that
come and go. Memory, threads, file descriptors and disk must be flat after the first quarter. The memory
still rises a step when more pictures wait for the disk than ever before; that no object is kept is told by Python's
blocks in use after a collection.
"""

import argparse
import contextlib
import gc
import http.client
import itertools
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgits.edge.address import Address, Broker
from edgits.edge.background import Background
from edgits.edge.fake import FakeCamera
from edgits.edge.grabber import Grabber
from edgits.edge.live import resident, watch
from edgits.edge.metrics import Metrics
from edgits.edge.mqtt import Mqtt
from edgits.edge.recognizer import Recognizer
from edgits.edge.record import LEAST_LIMIT, Recording
from edgits.edge.scene import Scene
from edgits.edge.steer import Choice, Steering
from edgits.edge.web.sink import WebPage

FAULTS = ("fail", "none", "black", "half", "grey half", "short", "corrupt", "raise")
PATHS = ("/", "/events", "/stream.mjpg", "/metrics", "/nothing", "/../../etc/passwd", "/still/1.jpg")
# threads of clients come and go, and pictures wait for the disk
MOST_GROWTH = {"memory MB": 24.0, "objects k": 6.0, "threads": 6, "descriptors": 24, "disk MB": 3.0}
_LIMIT = 10**7
assert _LIMIT >= LEAST_LIMIT


@dataclass
class Faulty:
    """Cameras that see a page of the scene, and fail when they are told to."""

    pending: deque[str]
    opened: int = 0

    def open(self) -> FakeCamera:
        self.opened += 1
        page, _ = Scene(width=640, height=480).frame(20)
        return FakeCamera(self._events(), view=page, interval=0.0)

    def _events(self) -> Iterator[str]:
        while True:
            yield self.pending.popleft() if self.pending else "good"


def visit(url: str, stop: threading.Event, counts: dict[str, int]) -> None:
    """A client: asks for something, listens for a moment, and leaves without a word."""
    chance = random.Random(0)
    place = urlsplit(url)
    while not stop.wait(0.2):
        counts["clients"] += 1
        with contextlib.suppress(OSError, http.client.HTTPException):
            if chance.random() < 0.2:  # says nothing, or half a request
                with socket.create_connection((place.hostname, place.port), timeout=2) as rude:
                    rude.sendall(b"GET / HTTP/1.1\r\nHost: ")
                    stop.wait(chance.random())
                continue
            client = http.client.HTTPConnection(place.hostname, place.port, timeout=2)
            with contextlib.closing(client):
                client.request("GET", chance.choice(PATHS))
                client.getresponse().read(20_000)


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[Broker | None]:
    """A mosquitto of our own; None where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    process = subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Broker(Address("127.0.0.1", port))
    finally:
        process.terminate()
        process.wait(timeout=10)


def figures(folder: Path) -> dict[str, float]:
    """What the process holds now; the disk without the lines, which grow as they are asked to."""
    gc.collect()
    films = sum(path.stat().st_size for path in folder.glob("film*"))
    return {
        "memory MB": (resident() or 0) / 1e6,
        "objects k": sys.getallocatedblocks() / 1e3,
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "disk MB": films / 1e6,
    }


def soak(seconds: float, every: float, folder: Path) -> list[dict[str, float]]:
    """Runs it; returns the figures, taken 40 times."""
    faulty, stop, counts = Faulty(deque()), threading.Event(), {"clients": 0}
    faults, rows = itertools.cycle(FAULTS), []
    began = time.monotonic()
    measure, spoil, lost = began, began + every, 0
    recognizer = Recognizer.load("nano")
    steering = Steering(recognizer, Choice("nano"), load=Recognizer.load)
    metrics = Metrics()
    with contextlib.ExitStack() as stack:
        page = WebPage(Address("127.0.0.1", 0), steering=steering, collection=None, metrics=metrics)
        stack.callback(page.close)
        sinks = [metrics, page, Background(Recording(folder / "film.mp4", limit=_LIMIT))]
        told = stack.enter_context(broker(folder))
        if told is not None:
            sinks.append(Mqtt(told, topic="soak", report=lambda _: None))
        client = threading.Thread(target=visit, args=(page.url, stop, counts))
        client.start()
        stack.callback(client.join)
        stack.callback(stop.set)
        grabber = Grabber(faulty.open, source="soak", report=lambda _: None, stall=1.0, pauses=(0.1, 0.2))
        with grabber as camera:
            frames = 0
            for shot in watch(camera, steering, settings=steering.settings, sinks=sinks):
                frames, lost, now = frames + (shot.lost is None), lost + (shot.lost is not None), time.monotonic()
                if now >= spoil:
                    faulty.pending.extend([next(faults)] * 40)  # longer than what is forgiven
                    spoil = now + every
                if now >= measure:
                    row = {
                        "seconds": now - began,
                        "frames": frames,
                        "opened": faulty.opened,
                        **counts,
                        **figures(folder),
                    }
                    rows.append(row)
                    sys.stdout.write("   ".join(f"{name} {value:.0f}" for name, value in row.items()) + "\n")
                    sys.stdout.flush()
                    measure = now + seconds / 40
                if now - began >= seconds:
                    break
    sys.stdout.write(
        f"{frames} frames, {frames / seconds:.1f} a second, {faulty.opened} cameras opened, "
        f"{counts['clients']} clients, broker {'on' if told else 'not installed'}\n"
    )
    return rows


def main() -> int:
    """Runs it; exit code 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--fault-every", type=float, default=60, metavar="SECONDS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = soak(options.seconds, min(options.fault_every, options.seconds / 8), Path(place))
    settled = rows[len(rows) // 4 :]
    third = max(1, len(settled) // 3)
    grown = False
    for name, most in MOST_GROWTH.items():
        first = sorted(row[name] for row in settled[:third])[third // 2]
        last = sorted(row[name] for row in settled[-third:])[third // 2]
        too_much = (max(row[name] for row in settled) * 1e6 > _LIMIT) if name == "disk MB" else last - first > most
        grown |= too_much
        sys.stdout.write(f"{name:12} {first:7.1f} → {last:7.1f}   {'GROWS' if too_much else 'flat'}\n")
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())

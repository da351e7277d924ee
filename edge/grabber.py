"""Live cameras: a thread keeps the newest frame, notices a lost camera, and opens it again. Knows no device."""

import threading
import time
from collections.abc import Callable, Sequence

import cv2

from edgits.edge.capture import Capture, picture
from edgits.edge.frame import Camera, Frame, Report, Status
from edgits.edge.health import Health
from edgits.errors import CameraError

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each new try to open a lost camera; the last one repeats."""

STALL = 1.7
"""Seconds without a usable frame after which a camera is lost: noticed within 2 s, and 1 frame a second is enough."""

_MOST_STUCK = 4  # threads that hang in a driver at once; before another is begun, one of them must wake up


class Grabber(Camera):
    """A live camera.

    One thread opens the device and reads it into a single slot, so that the newest frame is the one
    that is read however slow the reader is. A thread that hangs in the device's driver can't be
    stopped: it is left behind, lets the device go when it wakes up, and another takes its place.

    Args:
        opener: Opens the device, or raises `CameraError`. Is called again when it is lost.
        source: Name of the camera.
        report: Is told when the camera is lost and when it is back; called from the thread.
        finished: Is asked, with the number of frames so far, when the device fails: whether it has simply come to its
            end, as a film that is streamed. By default a camera has none.
        stall: Seconds without a usable frame after which the camera counts as lost.
        patience: Seconds that opening and the first frame may take.
        pauses: Seconds before each new try.

    Raises:
        CameraError: The device can't be opened, or gives no usable frame within `patience`.
    """

    live = True

    def __init__(
        self,
        opener: Callable[[], Capture],
        *,
        source: str,
        report: Report,
        finished: Callable[[int], bool] | None = None,
        stall: float = STALL,
        patience: float = 10.0,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.source = source
        self._opener, self._report, self._finished = opener, report, finished
        self._stall, self._patience, self._pauses = stall, patience, pauses
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._status = Status("opening")
        self._slot: Frame | None = None
        self._health = Health()
        self._count = 0
        self._turn = 0  # number of the thread that may speak; those left behind have a lower one
        self._stuck: list[threading.Thread] = []
        self._start()
        self._await_first()

    @property
    def status(self) -> Status:
        """See `Camera.status`."""
        return self._status

    def read(self, timeout: float | None = None) -> Frame | None:
        """See `Camera.read`."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed.is_set():
                if self._slot is not None:
                    frame, self._slot = self._slot, None
                    return frame
                now = time.monotonic()
                if now >= self._due:
                    self._lose(f"'{self.source}' hangs: no picture for {self._stall:g} s")
                    self._stuck.append(self._thread)
                    self._start()
                if now >= end or self._status.state == "ended":
                    break
                self._changed.wait(max(0.0, min(end - now, self._due - now, 0.5)))
        return None

    def close(self) -> None:
        """See `Camera.close`."""
        with self._changed:
            self._closed.set()
            self._turn += 1
            self._slot = None
            self._status = Status("ended")
            self._changed.notify_all()
        self._thread.join(timeout=self._stall)

    def _start(self) -> None:
        self._turn += 1
        self._due = float("inf")
        self._thread = threading.Thread(target=self._work, args=(self._turn,), name=self.source, daemon=True)
        self._thread.start()

    def _await_first(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._status.state != "opening", timeout=self._patience)
            status = self._status
        if status.state == "running":
            return
        self.close()
        late = f"'{self.source}' gave no picture within {self._patience:g} s; is it used by another program?"
        raise CameraError(status.detail or late)

    def _work(self, turn: int) -> None:
        while self._turn == turn:
            retries = self._status.retries
            if retries and self._closed.wait(self._pauses[min(retries, len(self._pauses)) - 1]):
                return
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            if len(self._stuck) >= _MOST_STUCK:
                continue
            with self._changed:
                if self._turn != turn:
                    return
                self._due = time.monotonic() + self._patience
            try:
                device = self._opener()
            except (cv2.error, OSError, RuntimeError) as error:  # a CameraError is an OSError
                fault = str(error).strip().partition("\n")[0]
            else:
                try:
                    fault = self._grab(device, turn)
                finally:
                    device.release()
            ended = self._finished is not None and self._count > 0 and self._finished(self._count)
            with self._changed:
                if self._turn != turn:
                    return
                if ended:
                    self._status, self._due = Status("ended"), float("inf")
                    self._changed.notify_all()
                    return
                first = self._status.state == "opening"
                self._lose(fault)
                if first:
                    return

    def _grab(self, device: Capture, turn: int) -> str:
        """Reads a device until it fails; returns the fault."""
        allowed = self._patience / 2
        last = time.monotonic()
        while self._turn == turn:
            try:
                image = picture(*device.read())
            except (cv2.error, OSError, RuntimeError):  # what drivers raise in place of a false flag
                image = None
            now = time.monotonic()
            fault = self._health.fault(image)
            if image is not None and fault is None:
                self._put(Frame(image, self._count, now, self.source), turn)
                last, allowed = now, self._stall / 2
            elif now - last > allowed:
                return f"'{self.source}' is lost: {fault}"
            elif image is None:
                self._closed.wait(self._stall / 40)  # a read that fails at once mustn't spin
        return ""

    def _put(self, frame: Frame, turn: int) -> None:
        with self._changed:
            if self._turn != turn:
                return
            if self._status.state == "lost":
                self._report(f"'{self.source}' is back after {self._status.retries} tries")
            self._status = Status("running")
            self._slot, self._count = frame, self._count + 1
            self._due = frame.time + self._stall
            self._changed.notify_all()

    def _lose(self, fault: str) -> None:
        """Notes a fault; the lock is held."""
        if self._status.state == "running":
            self._report(f"{fault}; trying to open it again")
        self._status = Status("lost", fault, retries=self._status.retries + 1)
        self._slot = None
        self._due = float("inf")
        self._changed.notify_all()

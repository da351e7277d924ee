"""Live cameras over a fake device. Waits are for events, with a generous limit that only a failure reaches."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edgits.edge.fake import FakeCamera
from edgits.edge.grabber import Grabber
from edgits.edge.health import Health
from edgits.errors import CameraError

LIMIT = 20.0


class Devices:
    """Opens the given fake cameras one after the other; an error among them is raised."""

    def __init__(self, *devices: FakeCamera | CameraError) -> None:
        self.waiting = list(devices)
        self.opened: list[FakeCamera] = []
        self.reports: list[str] = []

    def __call__(self) -> FakeCamera:
        device = self.waiting.pop(0) if self.waiting else self.opened[-1]
        if isinstance(device, CameraError):
            raise device
        self.opened.append(device)
        return device


@pytest.fixture
def grab() -> Iterator[Callable[..., Grabber]]:
    cameras: list[Grabber] = []
    fakes: list[FakeCamera] = []

    def make(devices: Devices, *, stall: float = 1.0, patience: float = LIMIT, pause: float = 0.001) -> Grabber:
        fakes.extend(device for device in devices.waiting if isinstance(device, FakeCamera))
        camera = Grabber(
            devices, source="fake", report=devices.reports.append, stall=stall, patience=patience, pauses=(pause,)
        )
        cameras.append(camera)
        return camera

    yield make
    for fake in fakes:
        fake.wake.set()
    for camera in cameras:
        camera.close()
    for thread in threading.enumerate():
        if thread.name == "fake":
            thread.join(LIMIT)
            assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


def test_gives_the_newest_frame_each_at_most_once(grab):
    device = FakeCamera(interval=0.0005)
    camera = grab(Devices(device))
    first = camera.read(LIMIT)
    reads = device.reads
    assert until(lambda: device.reads > reads + 20)
    second = camera.read(LIMIT)
    assert second.index > first.index + 15
    assert 0 <= time.monotonic() - second.time < LIMIT
    assert camera.read(LIMIT).index > second.index
    assert camera.live
    assert camera.status.state == "running"


def test_a_frame_is_not_given_twice(grab):
    device = FakeCamera(["good", "hang"])
    camera = grab(Devices(device), stall=LIMIT)
    assert camera.read(LIMIT).index == 0
    assert device.hanging.wait(LIMIT)
    assert camera.read(0.01) is None
    assert camera.status.state == "running"


@pytest.mark.parametrize("event", ["fail", "none", "black", "half", "grey half", "short", "corrupt", "raise"])
def test_one_bad_read_is_passed_over(grab, event):
    device = FakeCamera(["good", "good", event], interval=0.01)
    camera = grab(Devices(device), stall=LIMIT)
    images = [camera.read(LIMIT).image for _ in range(8)]
    assert device.reads >= 9
    assert {image.shape for image in images} == {(48, 64, 3)}
    assert all(image[24:].std() > 20 for image in images)
    assert not device.released.is_set()


@pytest.mark.parametrize("event", ["fail", "none", "black", "corrupt", "raise"])
def test_a_lost_camera_is_released_and_opened_again(grab, event):
    dead, alive = FakeCamera(["good"], then=event), FakeCamera()
    devices = Devices(dead, CameraError("unplugged"), CameraError("unplugged"), alive)
    camera = grab(devices)
    assert camera.read(LIMIT).index == 0
    assert dead.released.wait(LIMIT)
    again = camera.read(LIMIT)
    assert again.index >= 1
    assert again.image.any()
    assert camera.status.state == "running"
    assert camera.status.detail == ""
    assert len(devices.reports) == 2
    assert "'fake' is lost" in devices.reports[0]
    assert devices.reports[1] == "'fake' is back after 3 tries"


def test_while_it_is_lost_the_status_says_so_and_no_frame_comes(grab):
    devices = Devices(FakeCamera(["good"], then="fail"), *[CameraError("still unplugged")] * 100_000)
    camera = grab(devices, pause=0.01)
    camera.read(LIMIT)
    assert until(lambda: camera.status.retries >= 2)
    assert camera.status.state == "lost"
    assert camera.status.detail == "still unplugged"
    assert camera.read(0.01) is None
    assert len(devices.reports) == 1  # not one line a try


def test_pauses_grow_and_the_last_repeats():
    waited: list[float] = []
    devices = Devices(FakeCamera(["good"], then="fail"), *[CameraError("no")] * 4, FakeCamera())
    camera = Grabber(devices, source="fake", report=devices.reports.append, stall=0.05, pauses=(0.001, 0.002, 0.003))
    wait = camera._closed.wait
    camera._closed.wait = lambda timeout=None: waited.append(timeout) or wait(timeout)
    with camera:
        camera.read(LIMIT)
        assert until(lambda: len(devices.opened) == 2)
    pauses = [seconds for seconds in waited if seconds in (0.001, 0.002, 0.003)]
    assert pauses[:5] == [0.001, 0.002, 0.003, 0.003, 0.003]


def test_a_read_that_hangs_is_noticed_and_left_behind(grab):
    stuck, alive = FakeCamera(["good", "hang"]), FakeCamera()
    devices = Devices(stuck, alive)
    camera = grab(devices, stall=0.1)
    assert camera.read(LIMIT).index == 0
    assert camera.read(LIMIT).index >= 1
    assert alive.reads >= 1
    assert devices.reports[0] == "'fake' hangs: no picture for 0.1 s; trying to open it again"
    assert not stuck.released.is_set()
    stuck.wake.set()
    assert stuck.released.wait(LIMIT)  # by its own thread, as soon as it wakes up


def test_a_change_of_size_goes_through_after_three_frames(grab):
    class Changing(FakeCamera):
        def _picture(self, event):
            return super()._picture(event if self.reads < 5 else "short")

    device = Changing(interval=0.005)
    camera = grab(Devices(device), stall=LIMIT)
    shapes = []
    while (24, 64, 3) not in shapes and len(shapes) < 500:
        shapes.append(camera.read(LIMIT).image.shape)
    assert shapes[-1] == (24, 64, 3)
    assert device.reads >= 7


def test_a_slow_camera_is_not_lost(grab):
    camera = grab(Devices(FakeCamera(interval=0.15)), stall=3.0)
    times = [camera.read(LIMIT).time for _ in range(3)]
    assert camera.status.state == "running"
    assert np.diff(times).min() > 0.1


def test_a_camera_that_cannot_be_opened_raises_its_own_error(grab):
    with pytest.raises(CameraError, match="no such thing"):
        grab(Devices(CameraError("no such thing")))


@pytest.mark.parametrize("event", ["fail", "black", "hang"])
def test_a_camera_without_a_first_picture_is_an_error(grab, event):
    device = FakeCamera(then=event)
    with pytest.raises(CameraError, match="'fake'") as caught:
        grab(Devices(device), patience=0.1)
    assert "\n" not in str(caught.value)
    device.wake.set()
    assert device.released.wait(LIMIT)


def test_closing_ends_the_iteration_and_lets_the_device_go(grab):
    device = FakeCamera()
    with grab(Devices(device)) as camera:
        for frame in camera:
            if frame.index > 3:
                camera.close()
    assert camera.status.state == "ended"
    assert device.released.wait(LIMIT)
    camera.close()
    assert camera.read() is None


def test_health_takes_a_view_with_a_flat_edge_once_it_has_seen_three():
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    image[400:] = 16
    health = Health()
    assert [health.fault(image) is None for _ in range(4)] == [False, False, True, True]

"""The page in a real browser, at the size of a phone: what a person sees and does. Needs Chromium.

EDGITS_PICTURE=docs/web.jpg makes the picture of the README anew.
"""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import pytest

from edgits.edge.address import Address
from edgits.edge.collection import Collection
from edgits.edge.frame import Frame
from edgits.edge.live import watch
from edgits.edge.metrics import Metrics
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import FrameResult
from edgits.edge.scene import Scene
from edgits.edge.sequence import Sequence
from edgits.edge.sinks import Shot
from edgits.edge.steer import Choice, Steering
from edgits.edge.web.sink import WebPage

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


class Browser:
    """Chromium without a window, driven by its DevTools protocol."""

    async def __aenter__(self):
        self.log, self.count = [], 0
        self.folder = Path(os.environ["TMPDIR"])
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
        self.process = subprocess.Popen(
            [CHROMIUM, *options, f"--user-data-dir={self.folder / 'profile'}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        )
        port = next(match[1] for line in self.process.stderr if (match := re.search(r"ws://127.0.0.1:(\d+)/", line)))
        self.session = aiohttp.ClientSession()
        async with self.session.get(f"http://127.0.0.1:{port}/json") as answer:
            (tab,) = [tab for tab in await answer.json() if tab["type"] == "page"]
        self.link = await self.session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)
        for topic in ("Page", "Runtime", "Log"):
            await self.call(f"{topic}.enable")
        return self

    async def __aexit__(self, *error):
        await self.link.close()
        await self.session.close()
        self.process.terminate()
        self.process.communicate(timeout=30)

    async def call(self, method, **parameters):
        self.count += 1
        await self.link.send_json({"id": self.count, "method": method, "params": parameters})
        while True:
            answer = json.loads((await self.link.receive()).data)
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.log.append(answer["params"])

    async def run(self, code):
        answer = await self.call(
            "Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, code, seconds=60.0):
        end = time.monotonic() + seconds
        # what isn't there yet is no fault
        while not (value := await self.run(f"(() => {{ try {{ return {code} }} catch {{ return null }} }})()")):
            assert time.monotonic() < end, f"never true: {code}"
            await asyncio.sleep(0.05)
        return value

    async def click(self, selector):
        element = f"document.querySelector('{selector}')"
        await self.until(f"!{element}.disabled && {element}.offsetParent !== null")
        await self.run(f"document.querySelector('{selector}').click()")

    async def drag(self, selector, start, end):
        rectangle = f"document.querySelector('{selector}').getBoundingClientRect()"
        box = await self.run(f"(r => [r.x, r.y, r.width, r.height])({rectangle})")
        steps = (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end))
        for kind, (x, y) in steps:
            place = {"x": box[0] + x * box[2], "y": box[1] + y * box[3]}
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    async def picture(self):
        answer = await self.call("Page.captureScreenshot", format="png")
        return cv2.imdecode(np.frombuffer(base64.b64decode(answer["data"]), np.uint8), cv2.IMREAD_COLOR)


class Stage:
    """A page that is fed with a second of the scene, again and again, until told otherwise."""

    def __init__(self, folder):
        self.scene = Scene(seed=2)
        self.steering = Steering(Recognizer.load("small"), Choice("small"), load=Recognizer.load)
        self.collection = Collection(folder / "digits", report=print)
        self.page = WebPage(
            Address("127.0.0.1", 0), steering=self.steering, collection=self.collection, metrics=Metrics()
        )
        self.lost, self.ended = False, threading.Event()
        self.thread = threading.Thread(target=self._play, daemon=True)
        self.thread.start()

    def _frames(self):
        frames = [self.scene.frame(index) for index in range(15, 45)]
        for count, (image, truth) in enumerate(itertools.cycle(frames)):
            yield Frame(image, count, count / 30, "scene", truth)

    def _play(self):
        camera = Sequence(self._frames(), source="scene")
        settings, ended = self.steering.settings, self.ended.is_set
        for _ in watch(camera, self.steering, settings=settings, sinks=[self], ended=ended):
            pass

    def put(self, shot):
        """Stands between the loop and the page, to lose the camera on demand."""
        if self.lost:
            empty = FrameResult("scene", 640, 480, (), ())
            shot = Shot(shot.frame, empty, lost="camera lost: it was unplugged")
        return self.page.put(shot)

    def close(self):
        """The loop closes its sinks; the page stays."""

    def end(self):
        self.ended.set()
        self.thread.join(timeout=30)
        self.page.close()


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    stage = Stage(tmp_path)
    yield stage
    stage.end()


TEXT = "document.querySelector('#{}').textContent"


def test_a_person_reads_corrects_and_changes_settings_on_a_phone(stage):
    asyncio.run(visit(stage))


async def visit(stage):
    pictures = []
    async with Browser() as browser:
        await browser.call("Emulation.setDeviceMetricsOverride", **PHONE)
        await browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        await browser.call("Page.navigate", url=stage.page.url)
        await reads(browser, stage)
        pictures.append(await browser.picture())
        pictures.append(await corrects(browser, stage))
        await browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        pictures.append(await changes_settings(browser, stage))
        await loses_the_camera(browser, stage)
        assert browser.log == []  # no error, nothing that the security policy barred
        stage.end()
        await browser.until(f"{TEXT.format('status')} === 'no connection'")
        assert await browser.run(TEXT.format("number")) == "edgits doesn’t answer"
    if place := os.environ.get("EDGITS_PICTURE"):
        cv2.imwrite(place, side_by_side(pictures), [cv2.IMWRITE_JPEG_QUALITY, 88])


async def reads(browser, stage):
    number = stage.scene.frame(20)[1].text
    await browser.until(f"{TEXT.format('number')} === {json.dumps(number)}")
    await browser.until("document.querySelector('#picture').naturalWidth === 640")
    assert await browser.run(TEXT.format("status")) == "live"
    await browser.until(f"{TEXT.format('fps')}.endsWith(' fps')")
    await browser.until("document.querySelectorAll('#history li').length")
    sizes = "[document.documentElement.scrollWidth, innerWidth]"
    assert await browser.run(sizes) == [390, 390]  # nothing sticks out at the side
    await asyncio.sleep(0.5)


async def corrects(browser, stage):
    await browser.click("#hold")
    await browser.until("document.querySelectorAll('.mark').length")
    read = await browser.run("document.querySelector('.mark span').textContent")
    other = "4" if read != "4" else "9"
    await browser.click(".mark")
    await browser.until("document.querySelector('#keypad').open")
    assert await browser.run("document.querySelector('#keys .read').textContent") == read
    await asyncio.sleep(0.3)
    picture = await browser.picture()
    await browser.click(f'#keys button[value="{other}"]')
    await browser.until(f"{TEXT.format('toast')}.startsWith('Saved as a {other}')")
    assert stage.collection.counts[int(other)] == 1
    assert await browser.run("document.querySelector('.mark.named span').textContent") == other
    await browser.click("#toast button")
    await browser.until(f"{TEXT.format('toast')}.startsWith('Undone: a {other}')")
    assert sum(stage.collection.counts) == 0
    await browser.click("#back")
    await browser.until("!document.querySelector('.mark')")
    await browser.run("document.querySelector('#toast').hidden = true")
    return picture


async def changes_settings(browser, stage):
    await browser.click("#region-choose")
    await browser.drag("#frame", (0.1, 0.1), (0.7, 0.8))
    await browser.until(f"{TEXT.format('region-value')} === 'a part'")
    region = stage.steering.settings.region
    assert [region.x, region.y, region.width, region.height] == pytest.approx([0.1, 0.1, 0.6, 0.7], abs=0.02)
    change = "(s => {{ s.value = {!r}; s.dispatchEvent(new Event('change')) }})(document.querySelector('{}'))"
    await browser.run(change.format("0.6", "#threshold"))
    await browser.run(change.format("nano", "#model"))
    await browser.until(f"{TEXT.format('threshold-value')} === '60 %'")
    await browser.until("document.querySelector('#model').value === 'nano'")
    assert stage.steering.choice.threshold == 0.6
    await browser.until("document.querySelector('#picture').naturalWidth === 640")
    await browser.run("document.querySelector('#settings').scrollIntoView({block: 'end'})")
    await asyncio.sleep(0.5)
    picture = await browser.picture()
    await browser.click("#threshold-default")
    await browser.click("#region-clear")
    await browser.until(f"{TEXT.format('region-value')} === 'whole picture'")
    assert stage.steering.choice == Choice("nano")
    return picture


async def loses_the_camera(browser, stage):
    stage.lost = True
    await browser.until(f"{TEXT.format('status')} === 'camera lost'")
    assert await browser.run(TEXT.format("number")) == "the camera is lost"
    assert await browser.run("document.querySelector('#status').title") == "camera lost: it was unplugged"
    stage.lost = False
    await browser.until(f"{TEXT.format('status')} === 'live'")


def side_by_side(pictures):
    """Joins screenshots with a gap, at a width for the README."""
    gap = np.full((pictures[0].shape[0], 48, 3), 255, np.uint8)
    joined = np.hstack([part for picture in pictures for part in (picture, gap)][:-1])
    return cv2.resize(joined, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)

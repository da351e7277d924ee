"""What the web page asks for and gets. Knows the feed, the steering and the collection, not who may ask."""

import asyncio
import itertools
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from edgits.edge.collection import Collection
from edgits.edge.corrections import Mark, encode, marks_of
from edgits.edge.metrics import Metrics
from edgits.edge.recognizer import shipped_models
from edgits.edge.sinks import Shot
from edgits.edge.steer import Steering
from edgits.edge.view import Region
from edgits.edge.web.feed import Feed
from edgits.edge.web.streams import Streams
from edgits.errors import EdgitsError

_T = TypeVar("_T")

MOST_BODY = 4096
"""Bytes that a request may hold: the settings are a hundred."""
_MOST_STILLS = 8  # those who correct at the same time, or the last so many pictures of one
_BODY_SECONDS = 5.0
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Routes:
    """The page's files and what its script asks for.

    Args:
        feed: What the live loop sees.
        steering: What may be changed.
        collection: Where corrections go; None takes none.
        metrics: For ``/metrics``.
    """

    def __init__(self, feed: Feed, steering: Steering, collection: Collection | None, metrics: Metrics) -> None:
        self._feed, self._steering, self._collection, self._metrics = feed, steering, collection, metrics
        self._first_model = steering.choice.model
        self._stills: OrderedDict[int, tuple[list[Mark], bytes]] = OrderedDict()
        self._ids = itertools.count(1)
        # One thread: the collection and the loading of models know no other.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="edgits-page")

    def add_to(self, app: web.Application) -> None:
        """Adds every route to an application."""
        for path in sorted((Path(__file__).parent / "page").iterdir()):
            name = "" if path.name == "index.html" else path.name
            app.router.add_get(f"/{name}", _file(path.read_bytes(), _TYPES[path.suffix]))
        streams = Streams(self._feed, self.state)
        app.router.add_get("/stream.mjpg", streams.pictures, allow_head=False)
        app.router.add_get("/events", streams.events, allow_head=False)
        app.router.add_get("/metrics", metrics_handler(self._metrics))
        app.router.add_get(r"/still/{number:[0-9]{1,9}}.jpg", self.still_picture)
        app.router.add_post("/settings", self.change)
        app.router.add_post("/still", self.hold_still)
        app.router.add_post("/correct", self.correct)
        app.router.add_post("/undo", self.undo)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._stop)

    async def _start(self, app: web.Application) -> None:
        del app
        self._feed.start()

    async def _stop(self, app: web.Application) -> None:
        del app
        await self._feed.stop()
        self._pool.shutdown(wait=False)

    def state(self) -> str:
        """Returns what the page's settings show."""
        choice = self._steering.choice
        region = choice.region
        return json.dumps(
            {
                "model": choice.model,
                "models": self._models(),
                "threshold": choice.threshold,
                "threshold_in_force": round(self._steering.threshold, 3),
                "region": None if region is None else [region.x, region.y, region.width, region.height],
                "region_in_shares": region is None or region.shares,
                "counts": None if self._collection is None else self._collection.counts,
                "saved": 0 if self._collection is None else len(self._collection.saved),
            }
        )

    def _models(self) -> list[str]:
        shipped = list(shipped_models())
        return shipped if self._first_model in shipped else [self._first_model, *shipped]

    # what is changed

    async def change(self, request: web.Request) -> web.Response:
        """Changes the settings that the body names: ``model``, ``threshold``, ``region``; null is the default."""
        body = await _body(request, {"model", "threshold", "region"})
        try:
            if body.get("model", self._first_model) not in self._models():
                raise ValueError("there is no model of this name here")
            if body.get("threshold") is not None:
                body["threshold"] = _number(body["threshold"])
            if "region" in body:
                body["region"] = _region(body["region"])
            await self._work(lambda: self._steering.change(**body))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        return web.Response(text=self.state(), content_type="application/json")

    async def hold_still(self, request: web.Request) -> web.Response:
        """Keeps the newest picture; returns its marks, by whose place in the list they are named."""
        await _body(request, set())
        shot = self._feed.shot
        if shot is None or shot.lost:
            raise web.HTTPConflict(text="there is no picture: the camera is lost\n")
        marks, data = await self._work(_still, shot)
        number = next(self._ids)
        self._stills[number] = (marks, data)
        if len(self._stills) > _MOST_STILLS:
            self._stills.popitem(last=False)
        listed = [{"box": mark.box, "digit": mark.digit, "confidence": round(mark.confidence, 3)} for mark in marks]
        result = shot.result
        facts = {"still": number, "frame": shot.frame.index, "width": result.width, "height": result.height}
        return web.json_response(facts | {"marks": listed})

    async def still_picture(self, request: web.Request) -> web.Response:
        """The picture kept under a number."""
        _, data = self._still_of(int(request.match_info["number"]))
        return web.Response(body=data, content_type="image/jpeg")

    async def correct(self, request: web.Request) -> web.Response:
        """Saves mark ``mark`` of still picture ``still`` as ``digit``."""
        body = await _body(request, {"still", "mark", "digit"})
        still, index, digit = (_whole(body, name) for name in ("still", "mark", "digit"))
        marks, _ = self._still_of(still)
        if not (0 <= index < len(marks) and 0 <= digit <= 9):
            raise web.HTTPBadRequest(text=f"there are marks 0 to {len(marks) - 1} and digits 0 to 9\n")
        mark, collection = marks[index], self._needed()

        def save() -> dict[str, Any]:
            verdict = collection.add(mark.crop, digit, misread=mark.digit != digit)
            return {"verdict": verdict, "counts": collection.counts, "saved": len(collection.saved)}

        return web.json_response(await self._work(save))

    async def undo(self, request: web.Request) -> web.Response:
        """Deletes what was saved last, if it is still number ``saved`` of this run: others may have saved since."""
        number = _whole(await _body(request, {"saved"}), "saved")
        collection = self._needed()

        def delete() -> dict[str, Any]:
            if number != len(collection.saved) or (undone := collection.undo()) is None:
                raise web.HTTPConflict(text="something else was saved since; delete it by hand\n")
            return {"undone": undone.digit, "counts": collection.counts}

        return web.json_response(await self._work(delete))

    def _needed(self) -> Collection:
        if self._collection is None:
            raise web.HTTPConflict(text="corrections have no place: start edgits with --corrections DIR\n")
        return self._collection

    def _still_of(self, number: int) -> tuple[list[Mark], bytes]:
        if number not in self._stills:
            raise web.HTTPNotFound(text="this picture isn't kept any more; take a new one\n")
        return self._stills[number]

    async def _work(self, task: Callable[..., _T], *arguments: Any) -> _T:
        """Runs slow work outside the event loop; what is wrong with it is told in one line."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, task, *arguments)
        except EdgitsError as error:
            raise web.HTTPConflict(text=f"{error}\n") from error


def metrics_handler(metrics: Metrics) -> Callable[[web.Request], Any]:
    """Makes the handler of ``/metrics``."""

    async def handle(request: web.Request) -> web.Response:
        del request
        text, kind = metrics.expose()
        return web.Response(body=text, headers={"Content-Type": kind})

    return handle


def _file(data: bytes, kind: str) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        del request
        return web.Response(body=data, content_type=kind, charset="utf-8")

    return handle


def _still(shot: Shot) -> tuple[list[Mark], bytes]:
    return marks_of(shot), encode(shot.frame.image, most=1280, quality=85)


async def _body(request: web.Request, names: set[str]) -> dict[str, Any]:
    """Returns the JSON object that a request holds, with no other keys than `names`."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            value = json.loads(await request.read() or b"{}")
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="the request came too slowly\n") from error
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="the body is no JSON\n") from error
    if not isinstance(value, dict) or not value.keys() <= names:
        raise web.HTTPBadRequest(text=f"the body is an object with: {', '.join(sorted(names)) or 'nothing'}\n")
    return value


def _whole(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise web.HTTPBadRequest(text=f"{name} is a whole number\n")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a number is wanted")
    return float(value)


def _region(value: object) -> Region | None:
    """Makes a region of a list of four shares; null is the whole picture."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError("the region is a list of left, top, width, height")
    left, top, width, height = (round(_number(share), 4) for share in value)
    if min(left, top) < 0 or left + width > 1.0002 or top + height > 1.0002:
        raise ValueError("the region lies in the picture: shares from 0 to 1")
    return Region(left, top, width, height, shares=True)

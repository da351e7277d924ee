"""What flows to the page as long as it is open: pictures as MJPEG, readings as server-sent events."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from edgits.edge.web.feed import Feed

_MOST_STREAMS = 64  # at once, of both kinds; a page has one of each
_SEND_SECONDS = 10.0  # after which a client that reads nothing is let go
_READINGS = 0.1  # seconds between two readings sent to a page
_HEARTBEAT = 5.0  # seconds after which something is sent though nothing changed: shows who has left
_BUFFER = 2**17  # bytes that the system keeps for a client; more would only be old pictures
_BOUNDARY = b"\r\n--picture\r\n"


class Streams:
    """The streams of all clients.

    Args:
        feed: What the live loop sees.
        state: Gives what else a page shows, as JSON.
    """

    def __init__(self, feed: Feed, state: Callable[[], str]) -> None:
        self._feed, self._state = feed, state
        self._open = 0

    async def pictures(self, request: web.Request) -> web.StreamResponse:
        """The annotated pictures; who is slow misses some."""

        async def flow(response: web.StreamResponse) -> None:
            self._feed.viewers += 1
            try:
                await _send(response, _BOUNDARY)
                number = 0
                while (picture := await self._feed.picture(number)) is not None:
                    number = picture.number
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.data)}\r\n\r\n".encode()
                    # the boundary at the end, since browsers show a picture when they see that it has ended
                    await _send(response, head + picture.data + _BOUNDARY)
            finally:
                self._feed.viewers -= 1

        return await self._stream(request, "multipart/x-mixed-replace; boundary=picture", flow)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The newest reading, the history and the state, each when it has changed."""

        async def flow(response: web.StreamResponse) -> None:
            sent: dict[str, str | None] = {}
            quiet = 0.0
            while not self._feed.closed:
                history = json.dumps([asdict(sighting) for sighting in self._feed.sightings])
                news = {"reading": self._feed.reading(), "history": history, "state": self._state()}
                changed = {name: data for name, data in news.items() if data is not None and data != sent.get(name)}
                lines = "".join(f"event: {name}\ndata: {data}\n\n" for name, data in changed.items())
                quiet = 0.0 if lines else quiet + _READINGS
                if lines or quiet > _HEARTBEAT:
                    await _send(response, lines.encode() or b":\n\n")
                    quiet, sent = 0.0, news
                await asyncio.sleep(_READINGS)

        return await self._stream(request, "text/event-stream", flow)

    async def _stream(
        self, request: web.Request, kind: str, flow: Callable[[web.StreamResponse], Awaitable[None]]
    ) -> web.StreamResponse:
        """Opens a stream; at its end, or if the client leaves or reads nothing, the connection ends at once."""
        if self._open >= _MOST_STREAMS:
            raise web.HTTPServiceUnavailable(text="too many others are watching\n")
        response = web.StreamResponse(headers={"Content-Type": kind})
        transport = request.transport
        self._open += 1
        try:
            if transport is not None:  # what waits for a slow client is old when it arrives: let little wait
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
                transport.set_write_buffer_limits(high=0)
            await response.prepare(request)
            await flow(response)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._open -= 1
            if transport is not None:
                transport.abort()
        return response


async def _send(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_SEND_SECONDS):
        await response.write(data)

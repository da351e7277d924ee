"""The sink that feeds the web page, and its start: address, token, server."""

import os
import re
import secrets
import time

from aiohttp import web

from edgits.edge.address import Address
from edgits.edge.collection import Collection
from edgits.edge.metrics import Metrics
from edgits.edge.sinks import Shot
from edgits.edge.steer import Steering
from edgits.edge.web.feed import Feed
from edgits.edge.web.guard import Guard
from edgits.edge.web.routes import MOST_BODY, Routes, metrics_handler
from edgits.edge.web.server import Server, is_loopback, listen, url_of
from edgits.errors import OutputError

TOKEN = "EDGITS_WEB_TOKEN"
"""Environment variable that sets the page's token; by default each start makes a new one."""
_LEAST_TOKEN = 16  # characters


class WebPage:
    """Shows the live loop on a web page; what others read of it costs the loop microseconds.

    Files and the scene are shown at their own pace.

    Args:
        address: Where to listen. Beyond loopback, a token is asked for.
        steering: What the page may change.
        collection: Where its corrections go; None takes none.
        metrics: What ``/metrics`` tells; the caller feeds it.

    Attributes:
        url: Where the page is, with its token.

    Raises:
        OutputError: The address can't be had, or the token that is given is weak.
    """

    def __init__(
        self, address: Address, *, steering: Steering, collection: Collection | None, metrics: Metrics
    ) -> None:
        given = _given_token()
        sock = listen(address, option="--web")
        token = None if is_loopback(sock) else given or secrets.token_urlsafe(16)
        self.url = f"{url_of(sock)}/" + (f"?token={token}" if token else "")
        self._feed = Feed()
        app = web.Application(client_max_size=MOST_BODY)
        Guard(token=token, names=(address.host,)).protect(app)
        Routes(self._feed, steering, collection, metrics).add_to(app)
        self._server = Server(sock, app)
        self._start: float | None = None

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`."""
        self._feed.offer(shot)
        if shot.lost is None:
            self._wait(shot.frame.time)
        return True

    def close(self) -> None:
        """See `Sink.close`; may be called twice."""
        self._server.close()

    def _wait(self, due: float) -> None:
        """Waits until a frame's time has come: at once for a live camera, whose time is the clock's."""
        now = time.monotonic()
        if self._start is None:
            self._start = now - due
        time.sleep(max(0.0, min(1.0, due - (now - self._start))))


class MetricsPage:
    """Serves nothing but ``/metrics``, to whoever asks.

    Args:
        address: Where to listen.
        metrics: What it tells; the caller feeds it.

    Raises:
        OutputError: The address can't be had.
    """

    def __init__(self, address: Address, metrics: Metrics) -> None:
        sock = listen(address, option="--metrics")
        self.url = f"{url_of(sock)}/metrics"
        app = web.Application(client_max_size=MOST_BODY)
        Guard(token=None, names=(address.host,)).protect(app)
        app.router.add_get("/metrics", metrics_handler(metrics))
        self._server = Server(sock, app)

    def close(self) -> None:
        """Ends it; may be called twice."""
        self._server.close()


def _given_token() -> str | None:
    token = os.environ.get(TOKEN)
    if token and not re.fullmatch(rf"[A-Za-z0-9_-]{{{_LEAST_TOKEN},}}", token):
        raise OutputError(
            f"the token in {TOKEN} can't be used: give {_LEAST_TOKEN} or more letters, digits, - and _, or unset it"
        )
    return token

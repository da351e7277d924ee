"""Decides which requests are answered. Knows nothing of what is asked for.

What it holds off: pages of other sites that make a visitor's browser ask here (by a name of theirs that points here,
by forms and scripts, by embedding), and on a network everybody who lacks the token. What it doesn't: somebody who
listens to the network, since the page is plain HTTP.
"""

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HEADERS = {
    "Server": "edgits",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_WEEK = 7 * 24 * 3600
_NO_TOKEN = (
    "This page needs its token: open the whole address that edgits printed when it started, with ?token=… at its end.\n"
)


class Guard:
    """Checks host, origin and token of every request, and adds the headers that keep a browser careful.

    Args:
        token: What a client must show, as ``?token=``, cookie or bearer; None asks for none.
        names: Names by which this machine may be addressed, besides its own; any IP address may.
    """

    def __init__(self, *, token: str | None, names: tuple[str, ...] = ()) -> None:
        self._token = token
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", socket.getfqdn().lower(), *(name.lower() for name in names)}

    def protect(self, app: web.Application) -> None:
        """Puts itself before every handler of an application."""
        app.middlewares.append(self._check)
        app.on_response_prepare.append(_add_headers)

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if fault := self._fault(request):
            raise web.HTTPForbidden(text=f"{fault}\n")
        if self._token is not None:
            shown = request.query.get("token")
            if shown is not None and self._knows(shown) and request.method == "GET" and request.path == "/":
                return self._welcome(request)
            if not any(self._knows(one) for one in (shown, _bearer(request), request.cookies.get(_cookie(request)))):
                raise web.HTTPUnauthorized(text=_NO_TOKEN)
        return await handler(request)

    def _fault(self, request: web.Request) -> str | None:
        """Says why a request is none of a page of ours; None if it may be one."""
        if not self._is_own(request.host):
            return f"this machine isn't '{request.host}'; address it by its IP address or its own name"
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        foreign = site in ("cross-site", "same-site")  # same-site: another port of this machine
        if request.method in ("GET", "HEAD"):
            if foreign and request.headers.get("Sec-Fetch-Mode") != "navigate":
                return "another site's page asked for this"
            return None
        if foreign or (origin is not None and origin != f"http://{request.host}"):
            return "another site's page asked for this"
        if request.content_type != "application/json":
            return f"the content type is '{request.content_type}'; send application/json"
        return None

    def _is_own(self, host: str) -> bool:
        """Tells whether a Host header names this machine: a name of another's may have been made to point here."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.rstrip(".") in self._names
        return True

    def _knows(self, shown: str | None) -> bool:
        assert self._token is not None
        return shown is not None and secrets.compare_digest(
            shown.encode(errors="surrogateescape"), self._token.encode()
        )

    def _welcome(self, request: web.Request) -> web.Response:
        """Keeps the token in a cookie and out of the address bar."""
        assert self._token is not None
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(_cookie(request), self._token, max_age=_WEEK, httponly=True, samesite="Lax")
        return response


def _bearer(request: web.Request) -> str | None:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def _cookie(request: web.Request) -> str:
    """Names the cookie by the port, since browsers share cookies between ports."""
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    return f"edgits-{port}"


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.update(_HEADERS)

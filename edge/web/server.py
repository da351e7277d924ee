"""Serves a web application from a thread of its own, so that no client can hold up the live loop. Knows no routes."""

import asyncio
import errno
import ipaddress
import socket
import threading

from aiohttp import web

from edgits.edge.address import Address
from edgits.errors import OutputError

_MOST_CONNECTIONS = 100
# Seconds in which a client must have sent its whole request, and after which an idle connection is closed.
_PATIENCE = 15.0
_BACKLOG = 16  # connections that may be accepted at once, before they count


def listen(address: Address, *, option: str) -> socket.socket:
    """Opens a listening socket.

    Args:
        address: Where.
        option: The option that asked for it, for the message.

    Raises:
        OutputError: It can't be had, such as when another program has the port.
    """
    try:
        kind, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        both = kind == socket.AF_INET6 and address.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((str(place[0]), address.port), family=kind, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        other = Address(address.host, address.port % 65535 + 1)
        advice = {
            errno.EADDRINUSE: f"another program has this port; give a free one: {option} {other}",
            errno.EACCES: f"ports below 1024 are the system's; give another: {option} {address.host}:8080",
            errno.EADDRNOTAVAIL: f"this machine has no such address; on every one of its own: {option} 0.0.0.0:8080",
        }.get(getattr(error, "errno", None) or 0, f"{error}; is the name right?")
        raise OutputError(f"can't listen on {address}: {advice}") from error


def is_loopback(sock: socket.socket) -> bool:
    """Tells whether only this machine reaches a listening socket."""
    return ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def url_of(sock: socket.socket) -> str:
    """Returns the URL by which others reach a listening socket, without a slash at its end."""
    host, port = sock.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        host = _own_address()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _own_address() -> str:
    """Returns the address of this machine in its network; its name where that can't be told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the address is one for documentation (RFC 5737)
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


class Server:
    """Serves an application until it is closed.

    Args:
        sock: A listening socket; is closed with the server.
        app: What is served.
    """

    def __init__(self, sock: socket.socket, app: web.Application) -> None:
        self._sock, self._app = sock, app
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="edgits-web", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Ends every answer and lets the port go; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=5)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._app, access_log=None, keepalive_timeout=_PATIENCE, lingering_time=1.0, shutdown_timeout=0.5
        )
        await runner.setup()
        handlers = runner.server
        assert handlers is not None

        def accept() -> asyncio.Protocol:
            return handlers() if len(handlers.connections) < _MOST_CONNECTIONS else _Refusal()

        server = await self._loop.create_server(accept, sock=self._sock, backlog=_BACKLOG)
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            await runner.cleanup()


class _Refusal(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()

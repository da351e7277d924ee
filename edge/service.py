"""Tells systemd that the live loop runs, by the protocol of sd_notify(3). Does nothing where systemd didn't ask."""

import contextlib
import os
import socket
import time


class Watchdog:
    """The heartbeat of a service of ``Type=notify``, with or without ``WatchdogSec``.

    A loop that hangs beats no more, and systemd starts the service again.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        limit = os.environ.get("WATCHDOG_USEC", "")
        self._pause = int(limit) / 2e6 if limit.isdigit() else float("inf")  # half of it, as the manual advises
        self._due = 0.0

    def beat(self) -> None:
        """Says that all is well; the first time, that the service is ready. Call it at each turn of the loop."""
        if not self._address or (now := time.monotonic()) < self._due:
            return
        self._tell("READY=1" if self._due == 0 else "WATCHDOG=1")
        self._due = now + self._pause

    def _tell(self, message: str) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)  # a full queue may not hold the loop up: the next beat is as good
            link.connect(self._address)
            link.send(message.encode())

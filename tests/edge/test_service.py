"""The service: its heartbeat, and the unit of the manual."""

import configparser
import re
import shlex
import socket
import time
from pathlib import Path

import click
import pytest

from edgits.edge.cli import live
from edgits.edge.service import Watchdog

MANUAL = Path(__file__).parents[2] / "docs/service.md"


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        link.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield link


def test_the_first_beat_says_ready_and_later_ones_come_at_half_of_the_limit(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    watchdog, end = Watchdog(), time.monotonic() + 0.6
    while time.monotonic() < end:
        watchdog.beat()
    assert systemd.recv(99) == b"READY=1"
    systemd.setblocking(False)
    beats = 0
    while True:
        try:
            assert systemd.recv(99) == b"WATCHDOG=1"
        except BlockingIOError:
            break
        beats += 1
    assert 2 <= beats <= 12


def test_without_a_limit_only_ready_is_said(systemd, monkeypatch):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    watchdog = Watchdog()
    for _ in range(3):
        watchdog.beat()
    assert systemd.recv(99) == b"READY=1"
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(99)


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "@no-such-abstract-socket"])
def test_without_systemd_nothing_happens(monkeypatch, address):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    Watchdog().beat()


def test_the_unit_of_the_manual_is_one_and_its_command_is_understood():
    text = re.search(r"```ini\n(.*?)```", MANUAL.read_text(), re.DOTALL)[1]
    unit = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    unit.optionxform = str
    unit.read_string(text.replace("\\\n", " "))
    service = unit["Service"]
    assert (service["Type"], service["Restart"]) == ("notify", "always")
    program, name, *arguments = shlex.split(service["ExecStart"])
    assert (Path(program).name, name) == ("edgits", "live")
    context = live.make_context("live", arguments)
    assert isinstance(context, click.Context)
    assert context.params["headless"]

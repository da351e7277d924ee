"""A broker that sends anything: the client comes back, and the live loop neither waits nor ends."""

import contextlib
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge import mqtt
from edgits.edge.address import Address, Broker

pytest.importorskip("paho.mqtt")

WELCOME = bytes([0x20, 2, 0, 0])
BODIES = st.binary(max_size=60)


def packet(kind, flags, body):
    return bytes([kind << 4 | flags, len(body)]) + body


PACKETS = st.one_of(
    BODIES,
    st.builds(packet, st.integers(0, 15), st.integers(0, 15), BODIES).map(lambda found: WELCOME + found),
    # a message, to a topic of a length that is said wrongly; and one that declares 256 MB
    st.builds(
        lambda length, body: WELCOME + packet(3, 0, struct.pack(">H", length) + body), st.integers(0, 99), BODIES
    ),
    BODIES.map(lambda body: WELCOME + b"\x30\xff\xff\xff\x7f" + body),
)


class Liar:
    """Answers every client with the same bytes and hangs up."""

    def __init__(self):
        self.answer, self.visits = WELCOME, 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.broker = Broker(Address("127.0.0.1", self._socket.getsockname()[1]))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._socket.accept()
                with client, contextlib.suppress(OSError):
                    client.settimeout(1)
                    client.recv(1000)
                    client.sendall(self.answer)
                    self.visits += 1
                    client.settimeout(0.02)  # time to say something to the answer
                    client.recv(1000)

    def close(self):
        self._socket.close()


def test_whatever_a_broker_sends_the_client_comes_back(tried, cases, monkeypatch):
    monkeypatch.setattr(mqtt, "_RETRY", (0.001, 0.001))
    liar, said = Liar(), []
    sink = mqtt.Mqtt(liar.broker, topic="edgits/desk", report=said.append)

    @cases(60)
    @given(PACKETS)
    def run(answer):
        liar.answer = answer
        end, wanted = time.monotonic() + 20, liar.visits + 2  # the first may still have got the answer before
        while liar.visits < wanted:
            assert time.monotonic() < end, "it doesn't come back"
            time.sleep(0.001)
        tried("answers of an MQTT broker")

    try:
        run()
        assert all("\n" not in line for line in said)
    finally:
        began = time.monotonic()
        sink.close()
        liar.close()
    assert time.monotonic() - began < 5

"""What a broker is told, by a real mosquitto: retained state, last will, Home Assistant, restarts, passwords, TLS."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from paho.mqtt import client as paho

from edgits.edge.address import Address, Broker
from edgits.edge.frame import Frame
from edgits.edge.mqtt import Mqtt, default_topic, discovery
from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import Shot
from edgits.errors import OutputError

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs a broker: apt-get install mosquitto")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen in time"
        time.sleep(0.02)


class Server:
    """A mosquitto of our own."""

    def __init__(self, folder, *lines):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.config = folder / "mosquitto.conf"
        # as root it would become another user, who can't read the test's folder
        self.config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines]) + "\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None

    def _answers(self):
        if self.process.poll() is not None:
            pytest.fail("mosquitto ended")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def broker(self):
        return Broker(Address("127.0.0.1", self.port))


class Listener:
    """Hears everything under a broker: topic → the newest message, and which of them came retained."""

    def __init__(self, port):
        self.heard, self.all, self.retained = {}, [], set()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _hear(self, client, userdata, message):
        del client, userdata
        self.all.append((message.topic, message.payload.decode()))
        if message.retain:
            self.retained.add(message.topic)
        self.heard[message.topic] = message.payload.decode()  # last: tests wait for this one

    def state(self, topic):
        return json.loads(self.heard.get(f"{topic}/state", "{}"))

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path, "allow_anonymous true")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def listen():
    made = []

    def make(port):
        made.append(Listener(port))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tell():
    """Makes sinks, and closes them."""
    made = []

    def make(broker, *, topic="edgits/desk", report=print):
        made.append(Mqtt(broker, topic=topic, report=report))
        return made[-1]

    yield make
    for one in made:
        one.close()


def shot(text, time, *, lost=None):
    image = np.full((48, 64, 3), 200, np.uint8)
    digits = tuple(Digit(int(name), 0.95, (0, 0, 5, 9), 1, True) for name in text.replace("\n", ""))
    lines = tuple(len(line) for line in text.split("\n")) if text else ()
    result = FrameResult("scene", 64, 48, digits, lines, {"find": 3.0})
    return Shot(Frame(image, 0, time, "scene"), result, 29.97, lost)


def show(sink, text, start, count=10):
    for i in range(count):
        assert sink.put(shot(text, start + i / 20))


@needs_mosquitto
def test_a_number_is_told_once_and_kept_for_those_who_come_later(server, listen, tell):
    early, sink = listen(server.port), tell(server.broker)
    until(lambda: early.heard.get("edgits/desk/status") == "online")
    show(sink, "70\n12", 0)
    until(lambda: early.state("edgits/desk").get("number") == "70 12")
    late = listen(server.port)
    until(lambda: {"edgits/desk/state", "edgits/desk/status"} <= late.heard.keys())
    assert {"edgits/desk/state", "edgits/desk/status"} <= late.retained
    assert late.state("edgits/desk") == {
        "number": "70 12",
        "lines": ["70", "12"],
        "confidence": 95.0,
        "camera": "on",
        "fps": 30.0,
        "temperature": late.state("edgits/desk")["temperature"],
        "source": "scene",
    }
    show(sink, "70\n12", 1, 50)
    show(sink, "8", 5)
    until(lambda: early.state("edgits/desk")["number"] == "8")
    numbers = [json.loads(text)["number"] for topic, text in early.all if topic == "edgits/desk/state"]
    assert numbers == ["", "70 12", "8"]


@needs_mosquitto
def test_a_lost_camera_is_told_without_a_number(server, listen, tell):
    ear, sink = listen(server.port), tell(server.broker)
    until(lambda: ear.heard.get("edgits/desk/status") == "online")
    show(sink, "7", 0)
    until(lambda: ear.state("edgits/desk").get("number") == "7")
    for _ in range(5):
        sink.put(shot("", 0.5, lost="camera lost: it was unplugged"))
    until(lambda: ear.state("edgits/desk")["camera"] == "off")
    assert (ear.state("edgits/desk")["number"], ear.state("edgits/desk")["fps"]) == ("", 0)
    show(sink, "7", 9)
    until(lambda: ear.state("edgits/desk")["number"] == "7")
    assert ear.state("edgits/desk")["camera"] == "on"


@needs_mosquitto
def test_the_end_says_offline_and_so_does_the_will(server, listen, tmp_path):
    ear = listen(server.port)
    sink = Mqtt(server.broker, topic="edgits/desk", report=print)
    until(lambda: ear.heard.get("edgits/desk/status") == "online")
    sink.close()
    sink.close()
    until(lambda: ear.heard.get("edgits/desk/status") == "offline")
    command = [sys.executable, "-m", "edgits", "live", "--source", "scene", "--model", "nano", "--headless"]
    command += [
        "--mqtt",
        f"127.0.0.1:{server.port}",
        "--mqtt-topic",
        "edgits/hall",
        "--fps",
        "5",
        "--web",
        "127.0.0.1:0",
    ]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        until(lambda: ear.state("edgits/hall").get("number"))
        assert ear.heard["edgits/hall/status"] == "online"
        process.send_signal(signal.SIGKILL)  # as a power cut: nothing can be said any more
    until(lambda: ear.heard["edgits/hall/status"] == "offline")


@needs_mosquitto
def test_a_broker_that_restarts_is_found_again_and_told_the_state(server, listen, tell):
    said = []
    sink = tell(server.broker, report=said.append)
    first = listen(server.port)
    show(sink, "41", 0)
    until(lambda: first.state("edgits/desk").get("number") == "41")
    server.stop()
    until(lambda: any("is gone; trying again" in line for line in said))
    before = time.thread_time()
    show(sink, "42", 5, 100)
    assert time.thread_time() - before < 0.2  # nobody waits for a broker
    server.start()  # keeps nothing: all it knows is told anew
    second = listen(server.port)
    until(lambda: second.state("edgits/desk").get("number") == "42")
    until(lambda: second.heard.get("edgits/desk/status") == "online")
    until(lambda: any(topic.startswith("homeassistant/") for topic in second.heard))
    until(lambda: any("is there" in line for line in said))
    show(sink, "43", 20)
    until(lambda: second.state("edgits/desk")["number"] == "43")
    assert len(said) <= 4  # once gone, perhaps once unreachable, once there


@needs_mosquitto
def test_a_broker_may_come_later(tmp_path, listen, tell):
    server, said = Server(tmp_path, "allow_anonymous true"), []
    sink = tell(server.broker, report=said.append)
    show(sink, "5", 0)
    until(lambda: said == [f"the MQTT broker at 127.0.0.1:{server.port} can't be reached; trying again"])
    server.start()
    ear = listen(server.port)
    until(lambda: ear.state("edgits/desk").get("number") == "5")
    server.stop()


@needs_mosquitto
def test_home_assistant_is_told_what_each_value_is(server, listen, tell):
    ear, _ = listen(server.port), tell(server.broker, topic="edgits/living room")
    until(lambda: sum(topic.startswith("homeassistant/") for topic in ear.heard) == 5)
    late = listen(server.port)
    until(lambda: sum(topic.startswith("homeassistant/") for topic in late.retained) == 5)
    configs = {topic: json.loads(text) for topic, text in late.heard.items() if topic.startswith("homeassistant/")}
    assert set(configs) == {
        *(
            f"homeassistant/sensor/edgits-living-room/{name}/config"
            for name in ("number", "confidence", "fps", "temperature")
        ),
        "homeassistant/binary_sensor/edgits-living-room/camera/config",
    }
    assert len({config["unique_id"] for config in configs.values()}) == 5
    assert len({json.dumps(config["device"]) for config in configs.values()}) == 1
    for config in configs.values():
        assert config["state_topic"] == "edgits/living room/state"
        assert config["availability_topic"] == "edgits/living room/status"


def test_every_value_that_home_assistant_is_told_of_is_in_the_state(monkeypatch):
    monkeypatch.setattr(paho.Client, "loop_start", lambda self: None)
    sink = Mqtt(Broker(Address("127.0.0.1", 1)), topic="a/b", report=print)
    sink.put(shot("7", 0))
    for topic, config in discovery("a/b"):
        assert re.fullmatch(r"homeassistant/(binary_)?sensor/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config", topic)
        name = re.fullmatch(r"\{\{ value_json\.(\w+) \}\}", config["value_template"])[1]
        assert name in sink._state
    assert re.fullmatch(r"edgits/[A-Za-z0-9_-]+", default_topic())
    sink.put(replace(shot("", 1), result=shot("7" * 400, 1).result))
    show(sink, "7" * 400, 1)
    assert len(sink._state["number"]) == 255  # Home Assistant takes no more
    assert sink._state["lines"] == ["7" * 400]


@needs_mosquitto
def test_a_password_is_asked_for_and_a_wrong_one_is_said(tmp_path, listen, tell):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "reader", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    server = Server(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    server.start()
    said = []
    tell(replace(server.broker, user="reader", password="wrong"), report=said.append)
    until(lambda: said)
    assert said[0].startswith(f"the MQTT broker at 127.0.0.1:{server.port} refuses: ")
    assert said[0].endswith("see --mqtt-user")
    assert "wrong" not in said[0]
    well = []
    good = tell(replace(server.broker, user="reader", password="right"), report=well.append)
    until(good._client.is_connected)
    assert well == []
    server.stop()


@needs_mosquitto
@needs_openssl
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")  # paho drops it when a handshake fails
def test_tls_checks_the_brokers_certificate(tmp_path, tell, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    request += ["-keyout", key, "-out", certificate]
    request += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(request, check=True, capture_output=True)
    key.chmod(0o644)
    server = Server(tmp_path, "allow_anonymous true", f"keyfile {key}", f"certfile {certificate}")
    server.start()
    said = []
    tell(replace(server.broker, tls=True), report=said.append)
    until(lambda: said)
    assert "or its certificate isn't trusted here" in said[0]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    well = []
    good = tell(replace(server.broker, tls=True), report=well.append)
    until(good._client.is_connected)
    assert well == []
    server.stop()


@pytest.mark.parametrize("topic", ["", "a//b", "/a", "a/", "a/+/b", "a/#", "$SYS/a", "a\nb"])
def test_a_topic_that_cannot_be_one_is_said(topic):
    with pytest.raises(OutputError, match="can't publish under"):
        Mqtt(Broker(Address("127.0.0.1", 1)), topic=topic, report=print)


def test_a_broker_that_is_not_there_costs_nothing_and_delays_no_end():
    said = []
    sink = Mqtt(Broker(Address("no.such.host.invalid", 1883)), topic="a/b", report=said.append)
    show(sink, "7", 0, 200)
    until(lambda: said)
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 5
    assert said == ["the MQTT broker at no.such.host.invalid:1883 can't be reached; trying again"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mqtt", "http://host"], "is no broker; write HOST:PORT"),
        (["--mqtt", "host:99999"], "ports go up to 65535"),
        (["--mqtt", "user:password@host"], "is no broker"),
        (["--mqtt", "host", "--mqtt-password-file", "{missing}"], "can't read the password from"),
        (["--mqtt", "host", "--mqtt-password-file", "{file}"], "a password needs its user; add --mqtt-user NAME"),
        (["--mqtt", "host", "--mqtt-topic", "a/#"], "can't publish under 'a/#'"),
    ],
)
def test_wrong_use_is_said_before_the_camera_is_opened(edgits, tmp_path, arguments, said):
    (tmp_path / "password").write_text("secret\n")
    filled = [value.format(missing=tmp_path / "nothing", file=tmp_path / "password") for value in arguments]
    code, out, err = edgits("live", "--source", "/dev/video93", "--model", "nano", "--headless", *filled)
    assert (code, out) == (2, "")
    assert said in err
    assert "video93" not in err
    assert "secret" not in err


def test_without_the_package_the_command_names_the_extra(edgits, monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    code, _, err = edgits("live", "--source", "/dev/video93", "--mqtt", "host")
    assert code == 2
    assert "pip install 'edgits[mqtt]'" in err

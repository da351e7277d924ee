"""Tells a broker which number stands there, and tells Home Assistant what to make of it. Knows no frames' pictures.

The newest state alone counts: it is retained, told again when the broker is back, and never queued.
"""

import contextlib
import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any

from edgits import __version__
from edgits.edge.address import Broker
from edgits.edge.board import temperature
from edgits.edge.frame import Report
from edgits.edge.settle import Settler
from edgits.edge.sinks import Shot
from edgits.errors import OutputError, require

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_DISCOVERY = "homeassistant"  # the prefix that Home Assistant listens to unless told otherwise
_EVERY = 10.0  # seconds after which the state is told again though the number is the same: speed, temperature
_LONGEST_STATE = 255  # characters that Home Assistant takes
_KEEP_ALIVE = 20  # seconds; the broker gives the will 1.5 times so long after a power cut
_RETRY = (1, 30)  # seconds between tries: at first, at most
_LAST_WORDS = 2.0  # seconds for them

# name, kind, what of the state it shows, and what Home Assistant shall know of it
_ENTITIES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("number", "sensor", "value_json.number", {"icon": "mdi:numeric"}),
    ("confidence", "sensor", "value_json.confidence", {"unit_of_measurement": "%", "icon": "mdi:check-decagram"}),
    ("fps", "sensor", "value_json.fps", {"unit_of_measurement": "fps", "entity_category": "diagnostic"}),
    (
        "temperature",
        "sensor",
        "value_json.temperature",
        {"unit_of_measurement": "°C", "device_class": "temperature", "entity_category": "diagnostic"},
    ),
    (
        "camera",
        "binary_sensor",
        "value_json.camera",
        {"device_class": "connectivity", "payload_on": "on", "payload_off": "off", "entity_category": "diagnostic"},
    ),
)


class Mqtt:
    """A sink that publishes the number, retained, whenever it changes.

    Under the topic stand ``status`` (``online``, or ``offline`` as the last will) and ``state``, a JSON object. A
    broker that isn't there is tried again and again in a thread; the live loop never waits for it.

    Args:
        broker: Whom to tell.
        topic: Prefix of the topics, such as ``edgits/desk``.
        report: Is told in one line when the connection is lost, refused, or there.

    Raises:
        MissingExtraError: The package `paho-mqtt` isn't installed.
        OutputError: The topic can't be one.
    """

    def __init__(self, broker: Broker, *, topic: str, report: Report) -> None:
        mqtt = require("paho.mqtt.client", extra="mqtt")
        if not re.fullmatch(r"[^+#\x00-\x1f/]+(/[^+#\x00-\x1f/]+)*", topic) or topic.startswith("$"):
            raise OutputError(f"can't publish under '{topic}': a topic is names with / between, without + and #")
        self._broker, self._topic, self._report = broker, topic, report
        self._settler = Settler()
        self._state: dict[str, Any] | None = None
        self._told, self._trouble = 0.0, ""
        self._client: Client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"edgits-{_slug(topic)}-{time.time_ns() % 10**6}"
        )
        self._client.will_set(f"{topic}/status", "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(*_RETRY)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._client.tls_set()
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._unreachable
        self._client.on_disconnect = self._disconnected
        self._client.connect_async(broker.address.host, broker.address.port, keepalive=_KEEP_ALIVE)
        self._client.loop_start()

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`: tells a new number at once, the rest now and then."""
        changed = self._settler.update(shot) is not None
        camera = "on" if shot.lost is None else "off"
        changed |= self._state is None or self._state["camera"] != camera
        now = time.monotonic()
        if changed or now - self._told >= _EVERY:
            self._told = now
            self._state = self._describe(shot, camera)
            self._publish()
        return True

    def close(self) -> None:
        """See `Sink.close`: says goodbye, if the broker listens; may be called twice."""
        if self._client.is_connected():
            words = self._client.publish(f"{self._topic}/status", "offline", qos=1, retain=True)
            with contextlib.suppress(RuntimeError):  # the broker left at the same moment; the will says it
                words.wait_for_publish(_LAST_WORDS)
        self._client.disconnect()
        self._client.loop_stop()

    def _describe(self, shot: Shot, camera: str) -> dict[str, Any]:
        number = self._settler.number
        text = " ".join(number.text.split())
        return {
            "number": text if len(text) <= _LONGEST_STATE else f"{text[: _LONGEST_STATE - 1]}…",
            "lines": number.text.split("\n") if number.text else [],
            "confidence": round(100 * number.confidence, 1),
            "camera": camera,
            "fps": round(shot.fps, 1) if shot.fps is not None and shot.lost is None else 0.0,
            "temperature": temperature(),
            "source": shot.result.source,
        }

    def _publish(self) -> None:
        if self._state is not None and self._client.is_connected():
            self._client.publish(
                f"{self._topic}/state", json.dumps(self._state, ensure_ascii=False), qos=1, retain=True
            )

    # called from the client's thread

    def _connected(
        self,
        client: "Client",
        userdata: Any,
        flags: "ConnectFlags",
        reason: "ReasonCode",
        properties: "Properties | None",
    ) -> None:
        del userdata, flags, properties
        if reason.is_failure:
            self._tell(f"the MQTT broker at {self._broker.address} refuses: {reason}; see --mqtt-user")
            return
        if self._trouble:
            self._report(f"the MQTT broker at {self._broker.address} is there")
            self._trouble = ""
        client.publish(f"{self._topic}/status", "online", qos=1, retain=True)
        for topic, config in discovery(self._topic):
            client.publish(topic, json.dumps(config, ensure_ascii=False), qos=1, retain=True)
        self._publish()

    def _unreachable(self, client: "Client", userdata: Any) -> None:
        del client, userdata
        doubt = ", or its certificate isn't trusted here" if self._broker.tls else ""
        self._tell(f"the MQTT broker at {self._broker.address} can't be reached{doubt}; trying again")

    def _disconnected(
        self,
        client: "Client",
        userdata: Any,
        flags: "DisconnectFlags",
        reason: "ReasonCode",
        properties: "Properties | None",
    ) -> None:
        del client, userdata, flags, properties
        if reason.is_failure and not self._trouble:
            self._tell(f"the MQTT broker at {self._broker.address} is gone; trying again")

    def _tell(self, message: str) -> None:
        """Reports a trouble, once."""
        if message != self._trouble:
            self._trouble = message
            self._report(message)


def discovery(topic: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns what Home Assistant is told of each entity: topic and configuration (its MQTT discovery)."""
    device = _slug(topic)
    common = {
        "state_topic": f"{topic}/state",
        "availability_topic": f"{topic}/status",
        "device": {
            "identifiers": [f"edgits-{device}"],
            "name": f"edgits {topic.rpartition('/')[2]}",
            "manufacturer": "edgits",
            "model": "digit reader",
            "sw_version": __version__,
        },
    }
    return [
        (
            f"{_DISCOVERY}/{kind}/{device}/{name}/config",
            common
            | {"name": name.capitalize() if name != "fps" else "Frames a second", "unique_id": f"{device}-{name}"}
            | {"value_template": f"{{{{ {value} }}}}"}
            | extra,
        )
        for name, kind, value, extra in _ENTITIES
    ]


def default_topic() -> str:
    """Returns the topic of this machine: ``edgits/`` and its name."""
    return f"edgits/{_slug(socket.gethostname()) or 'reader'}"


def _slug(text: str) -> str:
    """Makes a text a name that Home Assistant and brokers take: letters, digits, _ and -."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")

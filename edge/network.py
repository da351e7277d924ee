"""The options of `edgits live` that need a network, and what is made of them. No server is loaded unasked."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgits.edge.address import Address, Broker
from edgits.errors import DataError, OutputError, require

if TYPE_CHECKING:
    from edgits.edge.sinks import Sink
    from edgits.edge.steer import Steering

_PASSWORD = "EDGITS_MQTT_PASSWORD"


@dataclass(frozen=True)
class Network:
    """What `edgits live` tells the network.

    Attributes:
        web: Where the page is served; None for none.
        corrections: The folder for what the page corrects; None takes none.
        metrics: Where metrics alone are served; None for nowhere.
        broker: The MQTT broker; None for none.
        topic: Its topic; None for one by this machine's name.
    """

    web: Address | None = None
    corrections: Path | None = None
    metrics: Address | None = None
    broker: Broker | None = None
    topic: str | None = None

    def check(self) -> None:
        """Proves that what was asked for is installed and makes sense, before anything slow.

        Raises:
            MissingExtraError: A package is missing.
            OutputError: The options don't fit together.
        """
        if self.web or self.metrics:
            require("aiohttp", extra="web")
            require("prometheus_client", extra="web")
        if self.broker:
            require("paho.mqtt.client", extra="mqtt")
        if self.broker and self.broker.password is not None and self.broker.user is None:
            raise OutputError("a password needs its user; add --mqtt-user NAME")
        if self.corrections and not self.web:
            raise OutputError("--corrections is for what the page corrects; add --web")

    @contextlib.contextmanager
    def sinks(self, steering: "Steering", say: Callable[[str], None]) -> "Iterator[list[Sink]]":
        """Begins to serve and to tell.

        Args:
            steering: What the page may change.
            say: Is told where the page is, and what is wrong with a broker.

        Yields:
            What takes the shots; all is ended with the block.

        Raises:
            OutputError: An address can't be had, or the folder can't be written.
        """
        found: list[Sink] = []
        with contextlib.ExitStack() as stack:
            if self.web or self.metrics:
                found += self._serve(steering, say, stack)
            if self.broker:
                from edgits.edge.mqtt import Mqtt, default_topic

                found.append(Mqtt(self.broker, topic=self.topic or default_topic(), report=say))
                stack.callback(found[-1].close)
            yield found

    def _serve(self, steering: "Steering", say: Callable[[str], None], stack: contextlib.ExitStack) -> "list[Sink]":
        from edgits.edge.collection import Collection
        from edgits.edge.metrics import Metrics
        from edgits.edge.web.sink import MetricsPage, WebPage

        counts = Metrics()
        found: list[Sink] = [counts]
        if self.metrics:
            page = MetricsPage(self.metrics, counts)
            stack.callback(page.close)
            say(f"metrics at {page.url}")
        if self.web:
            collection = Collection(self.corrections, report=say) if self.corrections else None
            shown = WebPage(self.web, steering=steering, collection=collection, metrics=counts)
            stack.callback(shown.close)
            say(f"the page is at {shown.url}")
            found.append(shown)
        return found


def network_options(command: Any) -> Any:
    """Adds the options; their values come as one argument, ``network``."""

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        web: Address | None,
        corrections: Path | None,
        metrics: Address | None,
        mqtt: str | None,
        mqtt_topic: str | None,
        mqtt_user: str | None,
        mqtt_password_file: Path | None,
        **options: Any,
    ) -> Any:
        broker = None
        if mqtt is not None:
            try:
                broker = Broker.parse(mqtt, user=mqtt_user, password=_password(mqtt_password_file))
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint="--mqtt") from error
        return command(*args, network=Network(web, corrections, metrics, broker, mqtt_topic), **options)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _address(port: int) -> Callable[[click.Context, click.Parameter, str | None], Address | None]:
    def parse(context: click.Context, parameter: click.Parameter, value: str | None) -> Address | None:
        try:
            return None if value is None else Address.parse(value, host="127.0.0.1", port=port)
        except ValueError as error:
            raise click.BadParameter(str(error), context, parameter) from error

    return parse


_OPTIONS = (
    click.option(
        "--web",
        is_flag=False,
        flag_value="127.0.0.1:8080",
        metavar="[HOST:PORT]",
        callback=_address(8080),
        help="Show a web page, on this machine only; 0.0.0.0:8080 is for all, with a token.",
    ),
    click.option(
        "--corrections",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Save what is corrected on the page there, for `edgits train`.",
    ),
    click.option(
        "--metrics",
        metavar="HOST:PORT",
        callback=_address(9108),
        help="Serve metrics for Prometheus, to whoever asks; --web has them too.",
    ),
    click.option("--mqtt", metavar="HOST[:PORT]", help="Tell an MQTT broker the number; mqtts://HOST for TLS."),
    click.option(
        "--mqtt-topic", metavar="TOPIC", help="Prefix of the topics; by default edgits/ and this machine's name."
    ),
    click.option("--mqtt-user", metavar="NAME", envvar="EDGITS_MQTT_USER", help="User; also from EDGITS_MQTT_USER."),
    click.option(
        "--mqtt-password-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"Holds the password; also from {_PASSWORD}.",
    ),
)


def _password(path: Path | None) -> str | None:
    """Returns the password of the file, or of the environment; never of the command line, which all users see."""
    if path is None:
        return os.environ.get(_PASSWORD)
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError(f"can't read the password from '{path}': {reason}") from error

"""Where a server is or shall be, as a person writes it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """A host and a port.

    Attributes:
        host: Name or IP address.
        port: 0 to 65535; a listener on 0 takes a free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, host: str, port: int) -> "Address":
        """Reads ``HOST:PORT``, ``HOST``, ``PORT``, ``:PORT`` or ``[IPv6]:PORT``.

        Args:
            text: What was written.
            host: Taken where none is given.
            port: Taken where none is given.

        Raises:
            ValueError: It is no address.
        """
        match = re.fullmatch(
            r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9_.-]*))(?::(?P<port>[0-9]{1,5}))?", text
        )
        if match is None or not text:
            raise ValueError(f"'{text}' is no address; write it as HOST:PORT, such as {host}:{port}")
        name, number = match["six"] or match["name"], match["port"]
        if number is None and re.fullmatch(r"[0-9]{1,5}", name):  # a port alone
            name, number = "", name
        value = port if number is None else int(number)
        if value > 65535:
            raise ValueError(f"'{text}' asks for port {value}; ports go up to 65535")
        return cls(name or host, value)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Broker:
    """How to reach a broker.

    Attributes:
        address: Where it is.
        tls: Whether the connection is encrypted and the broker's certificate checked.
        user: Who asks; None for nobody in particular.
        password: Of that user.
    """

    address: Address
    tls: bool = False
    user: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str, *, user: str | None = None, password: str | None = None) -> "Broker":
        """Reads ``HOST[:PORT]``, with ``mqtts://`` before it for TLS.

        Raises:
            ValueError: It is no address.
        """
        match = re.fullmatch(r"(?:(mqtts?)://)?([^/@]+)/?", text)
        if match is None:
            raise ValueError(f"'{text}' is no broker; write HOST:PORT, or mqtts://HOST:PORT for TLS")
        tls = match[1] == "mqtts"
        return cls(Address.parse(match[2], host="localhost", port=8883 if tls else 1883), tls, user, password)

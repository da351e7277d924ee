import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.address import Address, Broker


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8081", "127.0.0.1", 8081),
        (":8081", "127.0.0.1", 8081),
        ("0.0.0.0", "0.0.0.0", 8080),
        ("0.0.0.0:99", "0.0.0.0", 99),
        ("pi.local:80", "pi.local", 80),
        ("[::1]:80", "::1", 80),
        ("[::]", "::", 8080),
        ("localhost:0", "localhost", 0),
    ],
)
def test_an_address_may_be_short(text, host, port):
    address = Address.parse(text, host="127.0.0.1", port=8080)
    assert address == Address(host, port)
    assert Address.parse(str(address), host="elsewhere", port=1) == address


@pytest.mark.parametrize("text", ["", "a b", "host:", "host:x", "::1", "http://host:80", "host:123456", "user@host"])
def test_what_is_no_address_is_said(text):
    with pytest.raises(ValueError, match="is no address; write it as HOST:PORT"):
        Address.parse(text, host="127.0.0.1", port=8080)


def test_a_port_has_its_limit():
    with pytest.raises(ValueError, match="asks for port 70000; ports go up to 65535"):
        Address.parse("host:70000", host="127.0.0.1", port=8080)


@given(st.text(max_size=20))
def test_any_text_is_an_address_or_an_error(text):
    try:
        address = Address.parse(text, host="127.0.0.1", port=8080)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    assert address.host


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("broker.local", "broker.local", 1883, False),
        ("broker.local:99", "broker.local", 99, False),
        ("mqtt://broker.local/", "broker.local", 1883, False),
        ("mqtts://broker.local", "broker.local", 8883, True),
        ("mqtts://[::1]:99", "::1", 99, True),
    ],
)
def test_a_broker_may_ask_for_tls(text, host, port, tls):
    assert Broker.parse(text) == Broker(Address(host, port), tls)


@pytest.mark.parametrize("text", ["", "http://host", "mqtt://user:password@host", "host/topic", "mqtt://"])
def test_what_is_no_broker_is_said(text):
    with pytest.raises(ValueError, match="write HOST:PORT"):
        Broker.parse(text)

"""Addresses of simulated terminals."""

import pytest

from gateway.terminal.simulated.address import Address, parse


def test_path_and_port_are_understood():
    assert parse("sim:///run/terminal.sock") == Address(path="/run/terminal.sock")
    assert parse("sim://127.0.0.1:5555") == Address(port=5555)
    assert parse("sim://127.0.0.1:5555").target == ("127.0.0.1", 5555)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/run/terminal.sock",
        "tcp://127.0.0.1:1",
        "sim://",
        "sim://relative.sock",
        "sim://127.0.0.1",
        "sim://127.0.0.1:0",
        "sim://127.0.0.1:65536",
        "sim://127.0.0.1:x",
        "sim://0.0.0.0:5555",
        "sim:///" + "x" * 100,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="address"):
        parse(text)

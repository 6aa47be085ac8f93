"""Faults as a worker meets them: through a server and its sockets."""

import contextlib
import socket
import struct
import threading
import time

import msgpack
import pytest

from gateway.clock import monotonic_ns
from gateway.terminal.port import Login
from gateway.terminal.simulated import server
from gateway.terminal.simulated.address import parse
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.terminal.simulated.control import Control
from gateway.terminal.simulated.terminal import SimulatedTerminal

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this host has no Unix sockets")

REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 0}
NO_CONNECTION = (-10004, "No IPC connection")


def until(condition, seconds=20.0):
    """Wait for a condition; its truth is the result."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)
    return result


@pytest.fixture
def served(fast, serving):
    """A terminal's settings, while it runs."""
    with serving(fast):
        yield fast


@pytest.fixture
def control(served):
    with Control(served.address, timeout_s=20) as opened:
        yield opened


def frame(*values) -> bytes:
    body = msgpack.packb(values)
    return struct.pack("<I", len(body)) + body


def raw(settings) -> socket.socket:
    address = parse(settings.address)
    opened = address.open()
    opened.settimeout(20)
    opened.connect(address.target)
    return opened


@pytest.mark.parametrize(("fault", "positions"), [("ipc_lost_before", 0), ("ipc_lost_after", 1)])
def test_connection_breaks_before_or_after_the_order(served, connect, control, fault, positions):
    connection = connect(served.address)
    control.fault(fault, call="order_send")

    assert connection.call("order_send", (REQUEST,), {}) is None
    assert connection.last_error() == (-10002, "IPC recv failed")
    assert connection.call("account_info", (), {}) is None
    assert connection.last_error() == NO_CONNECTION
    again = connect(served.address)
    assert again.call("positions_total", (), {}) == positions


def test_lost_connection_isnt_told_of_where_the_package_doesnt(served, connect, control):
    connection = connect(served.address)
    control.fault("ipc_lost_before", call="market_book_add")

    assert connection.call("market_book_add", ("EURUSD",), {}) is False
    assert connection.last_error() == (1, "Success")
    assert connection.call("positions_total", (), {}) is None


@pytest.fixture
def ahead(monkeypatch):
    """What the server's clock is ahead of the host's, in its one item, as nanoseconds."""
    offset = [0]
    monkeypatch.setattr(server, "monotonic_ns", lambda: monotonic_ns() + offset[0])
    return offset


def test_slow_call_is_answered_late_and_slows_nobody_else(ahead, served, connect, control):
    slow, other = connect(served.address), connect(served.address)
    control.fault("slow", call="order_send", ms=100_000)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(slow.call("order_send", (REQUEST,), {})))
    thread.start()
    until(lambda: other.call("positions_total", (), {}) == 1)  # executed
    assert not answers

    ahead[0] = 100_000_000_000
    thread.join(20)

    assert answers[0].retcode == 10009


def test_slow_call_may_end_with_the_connection(ahead, served, connect, control):
    connection = connect(served.address)
    control.fault("slow", call="order_send", ms=100_000)
    control.fault("ipc_lost_after", call="order_send")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(connection.call("order_send", (REQUEST,), {})))
    thread.start()
    until(lambda: control.status()["positions"] == 1)

    ahead[0] = 100_000_000_000
    thread.join(20)

    assert answers == [None]
    assert connection.last_error() == (-10002, "IPC recv failed")


def test_hung_call_hangs_nobody_else_and_ends_with_its_connection(served, connect, control):
    other = connect(served.address)
    with raw(served) as hung:
        hung.sendall(frame(1, "initialize", [0, "", ""]))
        assert hung.recv(100)
        control.fault("hung", call="positions_total")
        hung.sendall(frame(2, "positions_total", []))
        until(lambda: not control.faults())

        assert other.call("positions_total", (), {}) == 0
        hung.setblocking(False)
        with pytest.raises(BlockingIOError):
            hung.recv(1)
    assert other.call("positions_total", (), {}) == 0


def test_hung_call_ends_by_the_callers_own_patience(served, control):
    connection = SimulatedConnection()
    control.fault("hung", call="initialize")

    assert connection.initialize(Login(served.address, timeout_ms=50)) is False
    assert connection.last_error() == (-10005, "IPC timeout")


def ask_on(peer):
    for _ in range(10_000):
        peer.sendall(frame(3, "positions_total", []) * 1_000)


def test_who_asks_on_and_on_while_it_is_owed_a_reply_is_closed(served, connect, control):
    other = connect(served.address)
    with raw(served) as greedy:
        greedy.sendall(frame(1, "initialize", [0, "", ""]))
        assert greedy.recv(100)
        control.fault("hung", call="positions_total")
        greedy.sendall(frame(2, "positions_total", []))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            ask_on(greedy)

    assert other.call("positions_total", (), {}) == 0


def replies(peer):
    """Take what has arrived: the replies' ids."""
    data = b""
    with contextlib.suppress(BlockingIOError):
        while received := peer.recv(65_536):
            data += received
    ids = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        ids.append(msgpack.unpackb(data[4 : 4 + length])[0])
        data = data[4 + length :]
    return ids


def test_one_connections_flood_leaves_the_others_and_the_market_their_turn(fast):
    terminal = SimulatedTerminal(fast, [], 1_700_000_000_000, monotonic_ns())
    serving = server.Server(terminal, parse(fast.address))
    try:
        with raw(fast) as flood, raw(fast) as other:
            flood.sendall(b"".join(frame(index, "account_info", []) for index in range(100)))
            other.sendall(frame(7, "account_info", []))
            flood.setblocking(False)
            other.setblocking(False)
            seen = []
            while len(seen) < 100:
                serving.step()
                arrived = replies(flood)
                assert len(arrived) <= server.MAX_BURST
                seen += arrived

            assert seen == list(range(100))
            assert replies(other) == [7]
    finally:
        serving.close()


def test_terminal_goes_and_comes_back(served, connect, control):
    connection = connect(served.address)
    ticket = connection.call("order_send", (REQUEST,), {}).order
    control.fault("terminal_gone", ms=0)

    until(lambda: connection.call("account_info", (), {}) is None)
    newcomer = SimulatedConnection()
    assert newcomer.initialize(Login(served.address)) is False
    assert newcomer.last_error() == (-10003, "IPC initialize failed, MetaTrader 5 x64 not found")
    assert control.status()["running"] is False

    control.clear("terminal_gone")
    again = connect(served.address)
    assert [position.ticket for position in again.call("positions_get", (), {})] == [ticket]


def test_terminal_that_goes_takes_its_hung_calls_along(served, control):
    with raw(served) as hung:
        hung.sendall(frame(1, "initialize", [0, "", ""]))
        assert hung.recv(100)
        control.fault("hung", call="positions_total")
        hung.sendall(frame(2, "positions_total", []))
        until(lambda: not control.faults())
        control.fault("terminal_gone", ms=0)

        assert hung.recv(1) == b""


def test_terminal_that_is_back_knows_nothing_at_first(served, connect, control):
    connect(served.address).call("order_send", (REQUEST,), {})
    control.fault("terminal_gone", ms=1, unsynchronised_ms=0)
    control.fault("unsynchronised", ms=0)

    def back():
        connection = SimulatedConnection()
        return connection if connection.initialize(Login(served.address)) else None

    connection = until(back)
    assert connection.call("positions_get", (), {}) == ()
    assert connection.call("account_info", (), {}).balance == 0.0
    control.clear()
    assert len(connection.call("positions_get", (), {})) == 1
    connection.shutdown()


def test_terminal_ends_the_connection_of_the_call_that_it_goes_with(served, connect, control):
    connection = connect(served.address)
    control.fault("terminal_gone", call="order_send", ms=1)

    assert connection.call("order_send", (REQUEST,), {}) is None
    assert connection.last_error() == (-10002, "IPC recv failed")
    again = SimulatedConnection()
    until(lambda: again.initialize(Login(served.address)))
    assert again.call("positions_total", (), {}) == 0
    again.shutdown()


def test_market_goes_on_when_the_terminal_is_connected_again(served, connect, control):
    connection = connect(served.address)
    control.connection(False)
    standing = connection.call("symbol_info_tick", ("EURUSD",), {})
    assert connection.call("terminal_info", (), {}).connected is False
    assert connection.call("order_send", (REQUEST,), {}).retcode == 10031
    assert connection.call("symbol_info_tick", ("EURUSD",), {}) == standing

    control.connection(True)

    until(lambda: connection.call("terminal_info", (), {}).connected)
    until(lambda: connection.call("symbol_info_tick", ("EURUSD",), {}).time_msc > standing.time_msc)
    assert connection.call("order_send", (REQUEST,), {}).retcode == 10009


def test_order_is_refused_by_retcode(served, connect, control):
    connection = connect(served.address)
    control.fault("requote", count=2)
    codes = [connection.call("order_send", (REQUEST,), {}).retcode for _ in range(3)]

    assert codes == [10004, 10004, 10009]

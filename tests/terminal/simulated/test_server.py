"""The process: several connections, one state; malformed input; its socket."""

import logging
import os
import socket
import stat
import struct
import sys
import time

import msgpack
import numpy as np
import pytest

from gateway.terminal.port import Login
from gateway.terminal.simulated.address import parse
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.terminal.simulated.server import Settings, serve
from gateway.terminal.simulated.terminal import SimulatedTerminal
from gateway.wire.structs import TICK_DTYPE

unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this host has no Unix sockets")
pytestmark = unix

REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1}


def until(condition, seconds=20.0):
    """Wait for a condition; its truth is the result."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        os.sched_yield() if hasattr(os, "sched_yield") else None
    return result


def frame(value) -> bytes:
    body = msgpack.packb(value)
    return struct.pack("<I", len(body)) + body


def raw(settings: Settings) -> socket.socket:
    address = parse(settings.address)
    opened = address.open()
    opened.settimeout(20)
    opened.connect(address.target)
    return opened


def answer(peer: socket.socket) -> list:
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack_from("<I", data)[0]:
        received = peer.recv(65536)
        if not received:
            raise ConnectionResetError
        data += received
    return msgpack.unpackb(data[4:])


def test_two_connections_share_the_account(fast, serving, connect):
    with serving(fast):
        one, two = connect(fast.address), connect(fast.address)
        opened = one.call("order_send", (REQUEST,), {})
        (position,) = two.call("positions_get", (), {})
        closed = two.call("order_send", (REQUEST | {"type": 1, "position": opened.order},), {})

        assert position.ticket == opened.order
        assert closed.retcode == 10009
        assert one.call("positions_get", (), {}) == ()
        assert one.call("account_info", (), {}) == two.call("account_info", (), {})


def test_state_outlives_its_connections(fast, serving, connect):
    with serving(fast):
        ticket = connect(fast.address).call("order_send", (REQUEST,), {}).order
        first = raw(fast)
        first.close()
        again = connect(fast.address)

        assert [position.ticket for position in again.call("positions_get", (), {})] == [ticket]


def test_market_moves_by_itself(fast, serving, connect):
    with serving(fast):
        connection = connect(fast.address)
        first = connection.call("symbol_info_tick", ("EURUSD",), {})

        assert until(lambda: connection.call("symbol_info_tick", ("EURUSD",), {}).time_msc > first.time_msc)


def test_replay_at_full_speed_can_be_traded_and_loses_nothing(socket_dir, serving, connect):
    lines = ["<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>"]
    lines += [
        f"2020.01.01\t10:{i // 600:02}:{i // 10 % 60:02}.{i % 10}00\t1.{10000 + i}\t1.{10002 + i}\t\t\t6"
        for i in range(20_000)
    ]
    path = socket_dir / "EURUSD_ticks.csv"
    path.write_text("\n".join(lines))
    settings = Settings(address=f"sim://{socket_dir}/t.sock", tick_files=(str(path),), speed=float("inf"))
    with serving(settings):
        connection = connect(settings.address)
        assert connection.call("symbol_info", ("EURUSD",), {}).select is False
        assert connection.call("symbol_select", ("EURUSD",), {}) is True
        until(lambda: connection.call("symbol_info_tick", ("EURUSD",), {}).time_msc)
        order = connection.call("order_send", (REQUEST,), {})
        until(lambda: connection.call("symbol_info_tick", ("EURUSD",), {}).bid == 1.29999)
        ticks = connection.call("copy_ticks_from", ("EURUSD", 0, 10**6, -1), {})

        assert order.retcode == 10009
        assert len(ticks) == 20_000
        assert (np.diff(ticks["time_msc"]) == 100).all()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        struct.pack("<I", 65_537),
        struct.pack("<I", 0),
        struct.pack("<I", 1) + b"\xc1",
        struct.pack("<I", 2) + b"\x00\x00",
        frame({}),
        frame([]),
        frame([1, "positions_total"]),
        frame([1, "positions_total", [], 0]),
        frame([1, "positions_total", [1]]),
        frame([1, "nonsense", []]),
        frame(["1", "positions_total", []]),
        frame([1, 2, []]),
        frame([1, [[[]]], []]),
        frame([1, "symbol_info", [7]]),
        frame([1, "order_send", [REQUEST]]),
        frame([1, "copy_ticks_from", ["EURUSD", 0, 1.5, -1]]),
        b"GET / HTTP/1.1\r\nHost: terminal\r\n\r\n",
    ],
)
def test_malformed_request_closes_its_connection_alone(fast, serving, connect, caplog, garbage):
    with caplog.at_level(logging.WARNING, "mt5gate.simulator"), serving(fast):
        bystander = connect(fast.address)
        with raw(fast) as peer:
            peer.sendall(garbage)

            assert peer.recv(1) == b""
        assert bystander.call("positions_total", (), {}) == 0
    assert any("malformed" in record.message for record in caplog.records)


def test_failing_call_closes_its_connection_alone(fast, serving, connect, caplog, monkeypatch):
    def answer(self, session, name, arguments, now_ns, original=SimulatedTerminal.answer):
        if name == "symbols_total":
            raise RuntimeError("a bug")
        return original(self, session, name, arguments, now_ns)

    monkeypatch.setattr(SimulatedTerminal, "answer", answer)
    with serving(fast):
        bystander = connect(fast.address)

        assert connect(fast.address).call("symbols_total", (), {}) is None
        assert bystander.call("positions_total", (), {}) == 0
    assert "a bug" in caplog.text


def test_requests_may_come_in_any_pieces(fast, serving):
    with serving(fast), raw(fast) as peer:
        whole = frame([1, "initialize", [0, "", ""]]) + frame([2, "positions_total", []])
        for index in range(len(whole) - 1):
            peer.sendall(whole[index : index + 1])
        assert answer(peer) == [1, 1, "Success", True]
        peer.sendall(whole[-1:])
        assert answer(peer) == [2, 1, "Success", 0]


def test_peer_that_doesnt_read_stops_nobody(fast, serving, connect):
    with serving(fast):
        bystander = connect(fast.address)
        with raw(fast) as peer:
            peer.sendall(frame([1, "initialize", [0, "", ""]]))
            answer(peer)
            peer.setblocking(False)
            request = frame([2, "copy_rates_from_pos", ["EURUSD", 1, 0, 50_000]])  # three megabytes each
            try:
                for _ in range(10_000):
                    peer.send(request)
            except BlockingIOError:
                pass

            assert bystander.call("positions_total", (), {}) == 0


def test_unknown_peer_learns_that_it_isnt_connected(fast, serving):
    with serving(fast), raw(fast) as peer:
        peer.sendall(frame([9, "account_info", []]))

        assert answer(peer) == [9, -10004, "No IPC connection", None]


def test_socket_is_the_owners_alone_and_goes_with_the_server(fast, serving):
    path = parse(fast.address).path
    with serving(fast):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not os.path.exists(path)


def test_stale_socket_is_replaced(fast, serving, connect):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(parse(fast.address).path)

    with serving(fast):
        assert connect(fast.address).call("positions_total", (), {}) == 0


def test_living_terminals_socket_is_left_alone(fast, serving, connect):
    with serving(fast):
        with pytest.raises(OSError, match="another terminal"):
            serve(fast)
        assert connect(fast.address).call("positions_total", (), {}) == 0


def test_file_that_is_no_socket_is_left_alone(fast):
    path = parse(fast.address).path
    with open(path, "w") as file:
        file.write("precious")

    with pytest.raises(FileExistsError):
        serve(fast)
    assert os.path.getsize(path) == 8


def test_tcp_on_the_loopback_serves_too(serving, connect):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(address=f"sim://127.0.0.1:{port}")

    with serving(settings):
        assert connect(settings.address).call("account_info", (), {}).login == settings.login


def test_bad_tick_file_stops_the_start(socket_dir):
    path = socket_dir / "EURUSD.csv"
    path.write_text("nonsense")

    with pytest.raises(ValueError, match=r"EURUSD\.csv:1"):
        serve(Settings(address=f"sim://{socket_dir}/t.sock", tick_files=(str(path),)))


# --- connection ---


def test_array_is_read_only_and_of_the_packages_layout(fast, serving, connect):
    with serving(fast):
        ticks = connect(fast.address).call("copy_ticks_from", ("EURUSD", 0, 10, -1), {})

    assert ticks.dtype == TICK_DTYPE
    assert not ticks.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        ticks["bid"] = 1.0


def test_results_have_the_packages_shapes(fast, serving, connect):
    with serving(fast):
        connection = connect(fast.address)

        assert connection.call("version", (), {})[0] == 500
        assert type(connection.call("account_info", (), {})).__name__ == "AccountInfo"
        assert type(connection.call("symbols_get", ("EUR*",), {})) is tuple
        assert type(connection.call("order_check", (REQUEST,), {}).request).__name__ == "TradeRequest"
        assert type(connection.call("order_send", (), REQUEST).request).__name__ == "TradeRequest"
        assert type(connection.call("history_deals_get", (0, 2**31 - 1), {})[0]).__name__ == "TradeDeal"
        assert len(connection.call("copy_ticks_from", ("EURUSD", 2**31 - 1, 1, -1), {})) == 0
        assert connection.call("symbol_info", ("NOPE",), {}) is None
        assert connection.last_error() == (-4, "Terminal: Not found")
        assert connection.call("last_error", (), {}) == (-4, "Terminal: Not found")
        assert connection.call("symbol_select", ("NOPE",), {}) is False
        assert connection.call("market_book_add", ("EURUSD",), {}) is True
        assert connection.call("market_book_get", ("EURUSD",), {})


def test_every_call_resets_the_last_error(fast, serving, connect):
    with serving(fast):
        connection = connect(fast.address)
        connection.call("symbol_info", (), {})
        assert connection.last_error() == (-2, "Invalid arguments")
        connection.call("positions_total", (), {})
        assert connection.last_error() == (1, "Success")


def test_connection_may_be_made_by_name(fast, serving):
    with serving(fast):
        connection = SimulatedConnection()
        assert connection.call("initialize", (fast.address,), {"login": fast.login, "timeout": 20_000}) is True
        assert connection.call("login", (fast.login,), {}) is True
        assert connection.call("login", (1,), {}) is False
        assert connection.last_error() == (-6, "Terminal: Authorization failed")
        assert connection.call("initialize", (), {}) is True  # the terminal it had
        assert connection.call("shutdown", (), {}) is True
        assert connection.call("account_info", (), {}) is None
        assert connection.last_error() == (-10004, "No IPC connection")


def test_wrong_login_is_refused_and_closed(fast, serving):
    with serving(fast):
        connection = SimulatedConnection()

        assert connection.initialize(Login(fast.address, login=1)) is False
        assert connection.last_error() == (-6, "Terminal: Authorization failed")
        assert connection.call("version", (), {}) == (0, 0, "")


@pytest.mark.parametrize("address", ["", "terminal64.exe", "sim:///nowhere/terminal.sock"])
def test_terminal_that_isnt_there_isnt_found(address):
    connection = SimulatedConnection()

    assert connection.initialize(Login(address)) is False
    assert connection.last_error() == (-10003, "IPC initialize failed, MetaTrader 5 x64 not found")


def test_terminal_that_doesnt_answer_times_out(socket_dir):
    path = f"{socket_dir}/deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen()
        connection = SimulatedConnection()

        assert connection.initialize(Login(f"sim://{path}", timeout_ms=50)) is False
        assert connection.last_error() == (-10005, "IPC timeout")


def test_lost_terminal_is_an_ipc_error_then_no_connection(fast, serving, connect):
    with serving(fast):
        connection = connect(fast.address)

    assert connection.call("order_send", (REQUEST,), {}) is None
    assert connection.last_error()[0] in (-10001, -10002)
    assert connection.call("symbol_select", ("EURUSD",), {}) is False
    assert connection.last_error() == (-10004, "No IPC connection")


def test_senseless_arguments_never_reach_the_terminal():
    connection = SimulatedConnection()

    assert connection.call("order_send", (REQUEST | {"volume": 1},), {}) is None
    assert connection.last_error() == (-2, 'Invalid "volume" argument')
    with pytest.raises(TypeError):
        connection.call("account_info", (1,), {})


def test_worker_needs_none_of_the_simulator():
    import subprocess

    code = (
        "import sys, gateway.terminal.simulated.connection; print(*sorted(m for m in sys.modules if 'simulated.' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.rpartition(".")[2] for name in done.stdout.split()}

    assert loaded == {"address", "connection", "frames"}

"""What a worker uses: `port.Terminal` over a socket to a simulated terminal. It holds no state of the market."""

import socket
from typing import Any, Final

import numpy as np

from gateway.terminal.port import Login
from gateway.terminal.simulated.address import parse
from gateway.terminal.simulated.frames import LENGTH, MAX_REPLY_BYTES, FrameError, decode, encode
from gateway.wire import constants as mt5
from gateway.wire.answers import FALSE_ON_FAILURE, SUCCESS, TEXTS, UNCONNECTED, unconnected
from gateway.wire.arguments import BadArguments, prepare
from gateway.wire.structs import (
    RATES_DTYPE,
    TICK_DTYPE,
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)

__all__ = ("SimulatedConnection",)

_RECEIVE_BYTES: Final = 65_536

_STRUCTURE: Final[dict[str, type[Any]]] = {
    "terminal_info": TerminalInfo,
    "account_info": AccountInfo,
    "symbol_info": SymbolInfo,
    "symbol_info_tick": Tick,
}
_REQUEST_RESULT: Final[dict[str, type[Any]]] = {"order_send": OrderSendResult, "order_check": OrderCheckResult}
_STRUCTURES: Final[dict[str, type[Any]]] = {
    "positions_get": TradePosition,
    "orders_get": TradeOrder,
    "history_orders_get": TradeOrder,
    "history_deals_get": TradeDeal,
    "symbols_get": SymbolInfo,
    "market_book_get": BookInfo,
}
_ARRAY: Final[dict[str, np.dtype[np.void]]] = {
    "copy_ticks_from": TICK_DTYPE,
    "copy_ticks_range": TICK_DTYPE,
    "copy_rates_from": RATES_DTYPE,
    "copy_rates_from_pos": RATES_DTYPE,
    "copy_rates_range": RATES_DTYPE,
}


class SimulatedConnection:
    """One connection to a simulated terminal; see `port.Terminal`. Blocks for as long as the terminal takes."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._call_id = 0
        self._address = ""
        self._error: tuple[int, str] = SUCCESS

    def initialize(self, login: Login) -> bool:
        """Connect to `login.address` (or the last one) and log in, within `login.timeout_ms` altogether."""
        self.shutdown()
        self._address = login.address or self._address
        try:
            self._connect(login.timeout_ms / 1000.0)
        except (OSError, ValueError):
            # A terminal that isn't there at all is, to the package, one that isn't installed.
            self._drop(mt5.RES_E_INTERNAL_FAIL_INIT, "IPC initialize failed, MetaTrader 5 x64 not found")
            return False
        admitted = self._ask("initialize", (login.login, login.password, login.server)) is True
        if self._socket is not None:
            self._socket.settimeout(None)
            if not admitted:
                self._drop(*self._error)
        return admitted

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call one of the package's 32 functions; see `port.Terminal.call`."""
        if name == "last_error":
            prepare(name, args, kwargs)
            return self._error
        if name == "initialize":
            self.shutdown()  # the package closes an open connection before it looks at anything
        try:
            arguments = prepare(name, args, kwargs)
        except BadArguments as error:
            self._error = (mt5.RES_E_INVALID_PARAMS, error.text)
            return error.returns
        except (TypeError, OverflowError) as error:
            self._error = self._error_of(name, error)
            raise
        self._error = SUCCESS
        if name == "initialize":
            path, login, password, server, timeout_ms, portable = arguments
            return self.initialize(Login(path or "", login, password, server, timeout_ms, portable))
        if name == "shutdown":
            self.shutdown()
            return True
        result = self._ask(name, arguments[:3] if name == "login" else arguments)
        if result is None and name == "version":
            return 0, 0, ""
        return _shaped(name, result)

    def last_error(self) -> tuple[int, str]:
        """Return code and text of the last call."""
        return self._error

    def shutdown(self) -> None:
        """Close the connection; the terminal itself stays."""
        self._drop(*SUCCESS)

    def _error_of(self, name: str, error: TypeError | OverflowError) -> tuple[int, str]:
        """Return the last error beside an exception that the package leaves pending; see `arguments.prepare`."""
        notes = getattr(error, "__notes__", None)
        if notes:
            return mt5.RES_E_INVALID_PARAMS, notes[0]
        if isinstance(error, OverflowError):  # a date: the package asks on with a wrong one
            return unconnected(name) if self._socket is None else SUCCESS
        return self._error

    def _connect(self, timeout_s: float) -> None:
        address = parse(self._address)
        opened = address.open()
        try:
            opened.settimeout(max(timeout_s, 0.001))  # 0 would mean non-blocking
            opened.connect(address.target)
        except BaseException:
            opened.close()
            raise
        self._socket = opened

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Send one request and wait for its reply; sets the last error."""
        if self._socket is None:
            self._error = unconnected(name)
            return _failure(name)
        self._call_id += 1
        try:
            self._socket.sendall(encode((self._call_id, name, arguments)))
        except TimeoutError:
            return self._lose(name, mt5.RES_E_INTERNAL_FAIL_TIMEOUT)
        except OSError:
            return self._lose(name, mt5.RES_E_INTERNAL_FAIL_SEND)
        try:
            call_id, code, text, result = decode(self._receive(self._socket), 4)
            if call_id != self._call_id:
                raise FrameError(f"expected the reply to call {self._call_id}, got {call_id}")
        except TimeoutError:
            return self._lose(name, mt5.RES_E_INTERNAL_FAIL_TIMEOUT)
        except (OSError, FrameError):
            return self._lose(name, mt5.RES_E_INTERNAL_FAIL_RECEIVE)
        self._error = (code, text)
        return result

    def _receive(self, source: socket.socket) -> bytearray:
        """Return the body of the next frame; raises OSError when the peer is gone."""
        buffer = self._buffer
        while len(buffer) < LENGTH.size:
            self._fill(source)
        (length,) = LENGTH.unpack_from(buffer)
        if length > MAX_REPLY_BYTES:
            raise FrameError(f"expected at most {MAX_REPLY_BYTES} bytes, got {length}")
        end = LENGTH.size + length
        while len(buffer) < end:
            self._fill(source)
        body = buffer[LENGTH.size : end]
        del buffer[:end]
        return body

    def _fill(self, source: socket.socket) -> None:
        received = source.recv(_RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the terminal closed the connection")
        self._buffer += received

    def _lose(self, name: str, code: int) -> bool | None:
        """Close a broken connection; the call fails, and says why unless the package doesn't for this one."""
        self._drop(code, TEXTS[code])
        if UNCONNECTED.get(name) == SUCCESS:
            self._error = SUCCESS
        return _failure(name)

    def _drop(self, code: int, text: str) -> None:
        """Close the connection, as the package does after a failed pipe: until `initialize` there is none."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer.clear()
        self._error = (code, text)


def _failure(name: str) -> bool | None:
    return False if name in FALSE_ON_FAILURE else None


def _shaped(name: str, value: Any) -> Any:
    """Give a result its package's shape."""
    if value is None or isinstance(value, bool):
        return value
    if name in _STRUCTURE:
        return _STRUCTURE[name](value)
    if name in _REQUEST_RESULT:
        return _REQUEST_RESULT[name]((*value[:-1], TradeRequest(value[-1])))
    if name in _STRUCTURES:
        structure = _STRUCTURES[name]
        return tuple([structure(item) for item in value])
    if name in _ARRAY:
        return np.frombuffer(value, _ARRAY[name])  # over bytes: read-only, as the package's
    return value

"""Somebody at a simulated terminal: scripts its faults, trades by hand, throws its switches. For tests, and `mt5gate`.

Commands travel on the terminal's own socket, and are obeyed by whoever may connect there: its owner.
"""

import socket
from typing import Any, Final, Self

from gateway.terminal.simulated.address import parse
from gateway.terminal.simulated.frames import LENGTH, MAX_REPLY_BYTES, FrameError, decode, encode
from gateway.wire.constants import RES_S_OK
from gateway.wire.structs import OrderSendResult, TradeRequest

__all__ = ("Control", "ControlError", "NoTerminal")

_RECEIVE_BYTES: Final = 65_536


class ControlError(ValueError):
    """The terminal can't do that; the message says what it expected. Nothing has changed."""


class NoTerminal(ConnectionError):
    """No terminal answers at the address."""


class Control:
    """A connection for commands; may be used as a context. Every method blocks for the terminal's answer.

    They raise ControlError for what can't be done, NoTerminal when there is none or it doesn't answer in time. The
    terminal executes a command between two calls of its connections.
    """

    def __init__(self, address: str, timeout_s: float = 10.0) -> None:
        """Connect to a terminal's address, see `address.parse`; raises ValueError for one of another form."""
        place = parse(address)
        self._address = address
        self._socket: socket.socket = place.open()
        self._socket.settimeout(timeout_s)
        self._call_id = 0
        try:
            self._socket.connect(place.target)
        except OSError as error:
            self._socket.close()
            raise NoTerminal(f"no simulated terminal at {address}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the terminal stays as it is."""
        self._socket.close()

    def status(self) -> dict[str, Any]:
        """Return what the terminal shows, its switches, and its faults."""
        status: dict[str, Any] = self._ask("sim.status")
        return status

    # --- faults ---

    def fault(
        self, name: str, *, count: int = 1, skip: int = 0, call: str = "", symbol: str = "", **parameters: Any
    ) -> None:
        """Script a fault; see `fault_kinds.FAULTS` for names and parameters, `faults.Faults.inject` for the rest."""
        self._ask("sim.fault", name, count, skip, call, symbol, parameters)

    def clear(self, name: str = "") -> None:
        """Forget what is scripted and end what is in force, of one fault or of all."""
        self._ask("sim.clear", name)

    def faults(self) -> list[dict[str, Any]]:
        """Return what is in force, scripted and left to chance."""
        return list(self.status()["faults"])

    # --- by hand ---

    def buy(
        self, symbol: str, volume: float, *, sl: float = 0.0, tp: float = 0.0, comment: str = ""
    ) -> OrderSendResult:
        """Buy at the market."""
        return self._trade("sim.trade", "buy", symbol, float(volume), float(sl), float(tp), comment)

    def sell(
        self, symbol: str, volume: float, *, sl: float = 0.0, tp: float = 0.0, comment: str = ""
    ) -> OrderSendResult:
        """Sell at the market."""
        return self._trade("sim.trade", "sell", symbol, float(volume), float(sl), float(tp), comment)

    def close_position(self, ticket: int, volume: float = 0.0) -> OrderSendResult:
        """Close a position, or so many lots of it."""
        return self._trade("sim.close", ticket, float(volume))

    def deposit(self, amount: float, comment: str = "") -> float:
        """Pay in; return the balance then."""
        return float(self._ask("sim.deposit", float(amount), comment))

    def withdraw(self, amount: float, comment: str = "") -> float:
        """Pay out, at most what is free; return the balance then."""
        return float(self._ask("sim.deposit", -float(amount), comment))

    # --- switches ---

    def autotrading(self, on: bool) -> None:
        """Press the AlgoTrading button."""
        self._ask("sim.autotrading", on)

    def api(self, on: bool) -> None:
        """Set whether the terminal takes orders through its Python API at all."""
        self._ask("sim.api", on)

    def connection(self, on: bool) -> None:
        """Take the terminal off its trade server, or let it back."""
        self._ask("sim.connection", on)

    def account(self, login: int) -> None:
        """Show another account; one that was never seen is opened, with the terminal's usual deposit."""
        self._ask("sim.account", login)

    def reset(self) -> None:
        """Let all accounts begin anew; end every fault and set every switch as at the start. The market goes on."""
        self._ask("sim.reset")

    # --- the line ---

    def _trade(self, name: str, *arguments: Any) -> OrderSendResult:
        *values, request = self._ask(name, *arguments)
        return OrderSendResult((*values, TradeRequest(request)))

    def _ask(self, name: str, *arguments: Any) -> Any:
        self._call_id += 1
        try:
            self._socket.sendall(encode((self._call_id, name, arguments)))
            call_id, code, text, value = decode(self._receive(), 4)
        except (OSError, FrameError) as error:
            self.close()
            raise NoTerminal(f"{self._address}: no answer to {name}: {error}") from None
        if call_id != self._call_id:
            self.close()
            raise NoTerminal(f"{self._address}: expected the answer to {name}, got another")
        if code != RES_S_OK:
            raise ControlError(text)
        return value

    def _receive(self) -> bytes:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > MAX_REPLY_BYTES:
            raise FrameError(f"expected at most {MAX_REPLY_BYTES} bytes, got {length}")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        buffer = b""
        while len(buffer) < count:
            received = self._socket.recv(min(count - len(buffer), _RECEIVE_BYTES))
            if not received:
                raise ConnectionResetError("it closed the connection")
            buffer += received
        return buffer

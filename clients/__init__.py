"""What a strategy imports: `Client` for orders and reads, `TickStream` for ticks, MT5's `constants`, and the errors.

Everything is loaded on first use, so that `import clients` costs nothing. Nothing here knows how the gateway works
inside; what it says is docs/PROTOCOL.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clients.client import Client
    from clients.connection import Pending
    from clients.events import OrderEvent, OrderEvents
    from clients.orderids import new_order_id
    from clients.ticks import Gap, StreamTick, TickStream
    from gateway.wire import constants
    from gateway.wire.errors import (
        Busy,
        ConfigError,
        DuplicateMismatch,
        Expired,
        ForgottenId,
        GatewayError,
        LocalProtocolError,
        NoReply,
        NotExecuted,
        NotTradable,
        OutcomeUnknown,
        ProtocolError,
        Refused,
        RemoteProtocolError,
        RequestError,
        SessionFenced,
        TerminalRefused,
        Unavailable,
    )
    from gateway.wire.events import EventKind

__all__ = (
    "Busy",
    "Client",
    "ConfigError",
    "DuplicateMismatch",
    "EventKind",
    "Expired",
    "ForgottenId",
    "Gap",
    "GatewayError",
    "LocalProtocolError",
    "NoReply",
    "NotExecuted",
    "NotTradable",
    "OrderEvent",
    "OrderEvents",
    "OutcomeUnknown",
    "Pending",
    "ProtocolError",
    "Refused",
    "RemoteProtocolError",
    "RequestError",
    "SessionFenced",
    "StreamTick",
    "TerminalRefused",
    "TickStream",
    "Unavailable",
    "constants",
    "new_order_id",
)

_HOMES: Final = {
    "Client": "clients.client",
    "EventKind": "gateway.wire.events",
    "Gap": "clients.ticks",
    "OrderEvent": "clients.events",
    "OrderEvents": "clients.events",
    "Pending": "clients.connection",
    "StreamTick": "clients.ticks",
    "TickStream": "clients.ticks",
    "new_order_id": "clients.orderids",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "constants":
        value: Any = import_module("gateway.wire.constants")
    else:
        value = getattr(import_module(_HOMES.get(name, "gateway.wire.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

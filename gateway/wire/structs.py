"""The eleven structures of the MetaTrader5 package, and its two array layouts.

The package's own structures are C struct sequences: tuples whose fields also have names. These are the same
(index, unpack, compare, `_asdict()`, `n_fields`, `__match_args__`, one sequence to construct) and picklable besides.
Field order is MT5's and is the wire's too: a structure travels as an array of its fields.

Source: the Windows wheel 5.0.6231. Times are seconds (`_msc`: milliseconds) of the trade server's wall clock,
encoded as if it were UTC; volumes are lots; prices are in the symbol's quote currency.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, ClassVar, Final, Self

import numpy as np

TICK_DTYPE: Final = np.dtype(
    [
        ("time", "<i8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("last", "<f8"),
        ("volume", "<u8"),
        ("time_msc", "<i8"),
        ("flags", "<u4"),
        ("volume_real", "<f8"),
    ]
)
"""One tick: 60 packed bytes, fields as in `Tick`."""

RATES_DTYPE: Final = np.dtype(
    [
        ("time", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("tick_volume", "<u8"),
        ("spread", "<i4"),
        ("real_volume", "<u8"),
    ]
)
"""One bar: 60 packed bytes; `time` is the bar's opening, `spread` is in points."""

RECORD_BYTES: Final = 60
"""Size of one tick or bar in a `bin` on the wire."""


_MISSING: Final[tuple[Any, ...]] = ("no sequence given",)


class _Field(property):
    """One field; it refuses to be set in the package's words."""

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError("readonly attribute")


class Struct(tuple[Any, ...]):
    """A tuple with named, read-only fields; subclasses declare them as annotations, in order."""

    __slots__ = ()
    n_fields: ClassVar[int] = 0
    n_sequence_fields: ClassVar[int] = 0
    n_unnamed_fields: ClassVar[int] = 0
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        names = tuple(cls.__annotations__)
        cls.n_fields = cls.n_sequence_fields = len(names)
        type.__setattr__(cls, "__match_args__", names)  # mypy allows no plain assignment to this name
        for index, name in enumerate(names):
            setattr(cls, name, _Field(itemgetter(index)))

    def __new__(cls, sequence: Iterable[Any] = _MISSING, unnamed: object = None, /) -> Self:
        """Build from one sequence of exactly `n_fields` values; raises TypeError for any other.

        `unnamed` is for fields beyond the sequence, which the package's structures don't have either.
        """
        if sequence is _MISSING:
            raise TypeError("structseq() missing required argument 'sequence' (pos 1)")
        if not isinstance(sequence, Iterable):
            raise TypeError("constructor requires a sequence")
        self = super().__new__(cls, sequence)
        if len(self) != cls.n_fields:
            raise TypeError(f"{cls.__name__}() takes a {cls.n_fields}-sequence ({len(self)}-sequence given)")
        return self

    def _asdict(self) -> dict[str, Any]:
        """Return the fields as a plain dict, in field order; a nested request stays a TradeRequest."""
        return dict(zip(self.__match_args__, self, strict=True))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(self.__match_args__, self, strict=True))
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (tuple(self),)


class Tick(Struct):
    """This is a structure for storing latest symbol prices"""

    __slots__ = ()
    time: int
    bid: float
    ask: float
    last: float
    volume: int
    time_msc: int
    flags: int
    volume_real: float


class BookInfo(Struct):
    """This is a structure for storing Depth of Market information"""

    __slots__ = ()
    type: int
    price: float
    volume: int
    volume_dbl: float


class AccountInfo(Struct):
    """This is a structure for storing account information"""

    __slots__ = ()
    login: int
    trade_mode: int
    leverage: int
    limit_orders: int
    margin_so_mode: int
    trade_allowed: bool
    trade_expert: bool
    margin_mode: int
    currency_digits: int
    fifo_close: bool
    balance: float
    credit: float
    profit: float
    equity: float
    margin: float
    margin_free: float
    margin_level: float
    margin_so_call: float
    margin_so_so: float
    margin_initial: float
    margin_maintenance: float
    assets: float
    liabilities: float
    commission_blocked: float
    name: str
    server: str
    currency: str
    company: str


class TerminalInfo(Struct):
    """This is a structure for storing terminal information"""

    __slots__ = ()
    community_account: bool
    community_connection: bool
    connected: bool
    dlls_allowed: bool
    trade_allowed: bool
    tradeapi_disabled: bool
    email_enabled: bool
    ftp_enabled: bool
    notifications_enabled: bool
    mqid: bool
    build: int
    maxbars: int
    codepage: int
    ping_last: int
    community_balance: float
    retransmission: float
    company: str
    name: str
    language: str
    path: str
    data_path: str
    commondata_path: str


class SymbolInfo(Struct):
    """This is a structure for storing symbol information"""

    __slots__ = ()
    custom: bool
    chart_mode: int
    select: bool
    visible: bool
    session_deals: int
    session_buy_orders: int
    session_sell_orders: int
    volume: int
    volumehigh: int
    volumelow: int
    time: int
    digits: int
    spread: int
    spread_float: bool
    ticks_bookdepth: int
    trade_calc_mode: int
    trade_mode: int
    start_time: int
    expiration_time: int
    trade_stops_level: int
    trade_freeze_level: int
    trade_exemode: int
    swap_mode: int
    swap_rollover3days: int
    margin_hedged_use_leg: bool
    expiration_mode: int
    filling_mode: int
    order_mode: int
    order_gtc_mode: int
    option_mode: int
    option_right: int
    bid: float
    bidhigh: float
    bidlow: float
    ask: float
    askhigh: float
    asklow: float
    last: float
    lasthigh: float
    lastlow: float
    volume_real: float
    volumehigh_real: float
    volumelow_real: float
    option_strike: float
    point: float
    trade_tick_value: float
    trade_tick_value_profit: float
    trade_tick_value_loss: float
    trade_tick_size: float
    trade_contract_size: float
    trade_accrued_interest: float
    trade_face_value: float
    trade_liquidity_rate: float
    volume_min: float
    volume_max: float
    volume_step: float
    volume_limit: float
    swap_long: float
    swap_short: float
    margin_initial: float
    margin_maintenance: float
    session_volume: float
    session_turnover: float
    session_interest: float
    session_buy_orders_volume: float
    session_sell_orders_volume: float
    session_open: float
    session_close: float
    session_aw: float
    session_price_settlement: float
    session_price_limit_min: float
    session_price_limit_max: float
    margin_hedged: float
    price_change: float
    price_volatility: float
    price_theoretical: float
    price_greeks_delta: float
    price_greeks_theta: float
    price_greeks_gamma: float
    price_greeks_vega: float
    price_greeks_rho: float
    price_greeks_omega: float
    price_sensitivity: float
    basis: str
    category: str
    currency_base: str
    currency_profit: str
    currency_margin: str
    bank: str
    description: str
    exchange: str
    formula: str
    isin: str
    name: str
    page: str
    path: str


class TradeRequest(Struct):
    """Trade request structure"""

    __slots__ = ()
    action: int
    magic: int
    order: int
    symbol: str
    volume: float
    price: float
    stoplimit: float
    sl: float
    tp: float
    deviation: int
    type: int
    type_filling: int
    type_time: int
    expiration: int
    comment: str
    position: int
    position_by: int


class TradePosition(Struct):
    """Trade position structure"""

    __slots__ = ()
    ticket: int
    time: int
    time_msc: int
    time_update: int
    time_update_msc: int
    type: int
    magic: int
    identifier: int
    reason: int
    volume: float
    price_open: float
    sl: float
    tp: float
    price_current: float
    swap: float
    profit: float
    symbol: str
    comment: str
    external_id: str


class TradeOrder(Struct):
    """Trade order structure"""

    __slots__ = ()
    ticket: int
    time_setup: int
    time_setup_msc: int
    time_done: int
    time_done_msc: int
    time_expiration: int
    type: int
    type_time: int
    type_filling: int
    state: int
    magic: int
    position_id: int
    position_by_id: int
    reason: int
    volume_initial: float
    volume_current: float
    price_open: float
    sl: float
    tp: float
    price_current: float
    price_stoplimit: float
    symbol: str
    comment: str
    external_id: str


class TradeDeal(Struct):
    """Trade deal structure"""

    __slots__ = ()
    ticket: int
    order: int
    time: int
    time_msc: int
    type: int
    entry: int
    magic: int
    position_id: int
    reason: int
    volume: float
    price: float
    commission: float
    swap: float
    profit: float
    fee: float
    symbol: str
    comment: str
    external_id: str


class OrderSendResult(Struct):
    """order_send result structure"""

    __slots__ = ()
    retcode: int
    deal: int
    order: int
    volume: float
    price: float
    bid: float
    ask: float
    comment: str
    request_id: int
    retcode_external: int
    request: TradeRequest


class OrderCheckResult(Struct):
    """order_check result structure"""

    __slots__ = ()
    retcode: int
    balance: float
    equity: float
    profit: float
    margin: float
    margin_free: float
    margin_level: float
    comment: str
    request: TradeRequest

"""The kinds of symbols that the catalog is made of, and what their currencies are worth while nobody quotes them."""

from typing import Any, Final

from gateway.terminal.simulated.market.specification import ORDER_MODE_ALL, Specification
from gateway.wire import constants as mt5
from gateway.wire.filling import SYMBOL_FILLING_BOC, SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC

__all__ = ("REFERENCE_RATES", "contract", "exchange_traded", "forex")

_CLOSE_BY: Final = 64

REFERENCE_RATES: Final[dict[str, float]] = {
    "USD": 1.0,
    "EUR": 1.1,
    "GBP": 1.27,
    "AUD": 0.66,
    "NZD": 0.61,
    "CAD": 0.73,
    "CHF": 1.12,
    "JPY": 1.0 / 150.0,
    "SEK": 0.095,
    "NOK": 0.094,
    "DKK": 0.147,
    "SGD": 0.74,
    "HKD": 0.128,
    "CNH": 0.138,
    "PLN": 0.25,
    "CZK": 0.043,
    "HUF": 0.0028,
    "MXN": 0.055,
    "ZAR": 0.054,
    "TRY": 0.031,
    "RUB": 0.011,
    "INR": 0.012,
    "KRW": 0.00073,
    "BTC": 65_000.0,
    "ETH": 3_400.0,
    "XAU": 2_350.0,
    "XAG": 29.0,
}
"""US dollars per unit: what stands in for a conversion whose symbol isn't quoted here."""


def forex(
    name: str, description: str, digits: int, price: float, group: str = "Majors", **fields: Any
) -> Specification:
    """Return a currency pair of 100,000 units a lot; the name begins with its two currencies."""
    base, profit = name[:3], name[3:6]
    return Specification(
        name=name,
        description=description,
        path=f"Forex\\{group}\\{name}",
        currency_base=base,
        currency_profit=profit,
        currency_margin=base,
        digits=digits,
        contract_size=100_000.0,
        start_price=price,
        **({"margin_hedged": 100_000.0} | fields),
    )


def contract(
    name: str, description: str, folder: str, base: str, digits: int, size: float, currency: str = "USD", **fields: Any
) -> Specification:
    """Return a contract for difference, leveraged unless `fields` say otherwise."""
    return Specification(
        name=name,
        description=description,
        path=f"{folder}\\{name}",
        currency_base=base,
        currency_profit=currency,
        currency_margin=currency,
        digits=digits,
        contract_size=size,
        **({"calc_mode": mt5.SYMBOL_CALC_MODE_CFDLEVERAGE} | fields),
    )


def exchange_traded(
    name: str, description: str, folder: str, digits: int, size: float, currency: str, calc_mode: int, **fields: Any
) -> Specification:
    """Return an instrument of an exchange: an order book of some depth, whole lots, every filling."""
    return contract(
        name,
        description,
        folder,
        currency,
        digits,
        size,
        currency,
        calc_mode=calc_mode,
        **(
            {
                "trade_exemode": mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE,
                "filling_mode": SYMBOL_FILLING_FOK | SYMBOL_FILLING_IOC | SYMBOL_FILLING_BOC,
                "order_mode": ORDER_MODE_ALL & ~_CLOSE_BY,
                "swap_mode": mt5.SYMBOL_SWAP_MODE_DISABLED,
                "volume_min": 1.0,
                "volume_step": 1.0,
                "volume_max": 1000.0,
                "book_depth": 10,
                "exchange": "MT5GATE",
            }
            | fields
        ),
    )

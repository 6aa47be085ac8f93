"""Order events: what an account's terminal has shown to have changed, as clients are told of it.

An event is a map with these entries; one of kind GAP has the first two and `missed` alone:

- `number` (integer from 1): its place among the events of this client; an observer's are numbered among all events.
- `kind` (string): an `EventKind`.
- `account` (string): whose terminal showed it. `time_msc` (integer): when, in ms of the trade server's own clock.
- `order`, `deal`, `position` (array or nil): TradeOrder, TradeDeal and TradePosition, as far as it is about one; their
  comments are as their author wrote them.
- `client_order_id` (string): of the order that it is about; of what merely happens to a position, of the order that
  opened it. Left out where that isn't known.
- `clients` (array of strings): whom it was told to; observers alone see that.
- `missed` (integer or nil), of a GAP alone: how many events; nil if that can't be said, for the numbering began anew.
"""

from enum import StrEnum

__all__ = ("EventKind",)


class EventKind(StrEnum):
    """What has changed. `deal` stands in all of the second group, `order` in all of the first."""

    PLACED = "placed"  # an order rests
    ORDER_MODIFIED = "order_modified"  # ... and its price, stops or expiration are others now
    CANCELED = "canceled"  # ... and was taken back, or the rest of it
    EXPIRED = "expired"  # ... and its time was over
    REJECTED = "rejected"  # the trade server refused an order that the terminal had taken
    GONE = "gone"  # an order isn't shown any more, and its end isn't either: the row is the last one seen

    FILLED = "filled"  # a deal that opened, increased or turned a position, and with it all of its order
    PARTLY_FILLED = "partly_filled"  # ... and a part of its order
    CLOSED = "closed"  # a deal that closed a position, or a part; `deal.reason` says by whom, `position` what is left
    STOP_LOSS = "stop_loss"  # ... because its stop loss was hit
    TAKE_PROFIT = "take_profit"  # ... because its take profit was
    STOP_OUT = "stop_out"  # ... because the account's margin was too low
    BALANCE = "balance"  # a deal that is no trade: a deposit, a correction, a commission; observers alone are told

    OPENED = "opened"  # `position` is a new one
    STOPS_MODIFIED = "stops_modified"  # ... and its stop loss or take profit is another now

    GAP = "gap"  # the events up to and including `number` aren't kept any more

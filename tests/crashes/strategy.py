"""A careful strategy, as one process of its own that may be killed at any moment: `python strategy.py` and its options.

It trades without end: entries, pending orders, changes of both, closes, cancels, now and then several at once. Before
an order leaves it keeps its intent on disk, and after it what it was told; what it wasn't told, this life or the next
one asks for. Where an answer was lost it either asks after the order or sends it again under the same id.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from crash_points import Board

from clients import Client, new_order_id
from gateway.wire import constants as mt5
from gateway.wire.errors import (
    GatewayError,
    NotExecuted,
    OutcomeUnknown,
    Refused,
    TerminalRefused,
    Unavailable,
)

SYMBOLS: Final = {"EURUSD": 5, "GBPUSD": 5, "USDJPY": 3, "AUDUSD": 5, "USDCAD": 5}
DONE: Final = (mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_PLACED, mt5.TRADE_RETCODE_DONE_PARTIAL)
LIVES: Final = 1_000_000
"""Magic numbers of one strategy: so many of each life, one life after the other."""
MAX_POSITIONS: Final = 12
MAX_PENDING: Final = 12


class Strategy:
    """One life."""

    def __init__(self, options: argparse.Namespace, board: Board) -> None:
        self.index: int = options.index
        self.board = board
        self.endpoint: str = options.endpoint
        self.draw = random.Random(f"{options.seed} {options.index} {options.life}")
        self.path: Path = options.notes
        self.notes = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.magic: int = (options.index + 1) * 10**12 + options.life * LIVES
        self.doubtful: dict[str, dict[str, Any]] = {}  # requests by id: whose fate isn't known
        self.positions: dict[int, dict[str, Any]] = {}
        self.pending: dict[int, dict[str, Any]] = {}
        self.busy: set[int] = set()  # tickets of which a change is in doubt
        self.quotes: dict[str, tuple[float, float]] = {}
        self.client: Client = self.connection()

    def connection(self) -> Client:
        return Client(self.endpoint, client_id=f"strategy-{self.index}", timeout=2.0, order_timeout=4.0)

    def note(self, **fields: Any) -> None:
        """Keep a line; one write, so that no kill leaves half of it."""
        os.write(self.notes, (json.dumps(fields) + "\n").encode())

    # --- an order's life --------------------------------------------------------------------------------------------

    def named(self, request: dict[str, Any]) -> dict[str, Any]:
        """Give an order its id and its magic number, and keep the intent."""
        self.magic += 1
        order_id = new_order_id(f"s{self.index}")
        request = {**request, "magic": self.magic, "comment": f"{self.magic % 10**9}", "client_order_id": order_id}
        self.note(intent=request)
        self.doubtful[order_id] = request
        self.board.passing("strategy.intent-kept")
        return request

    def send(self, *requests: dict[str, Any]) -> None:
        """Send orders, all before the first answer, and go after what isn't answered."""
        requests = tuple(map(self.named, requests))
        pendings: list[Any] = []
        for request in requests:
            try:
                pendings.append(self.client.submit("order_send", request))
            except GatewayError as error:
                pendings.append(error)
        self.board.passing("strategy.sent")
        for request, pending in zip(requests, pendings, strict=True):
            try:
                if isinstance(pending, GatewayError):
                    raise pending
                self.told(request, "send", pending.result())
            except GatewayError as error:
                self.told(request, "send", error)
            self.board.passing("strategy.answered")
        for request in requests:
            if request["client_order_id"] in self.doubtful:
                self.pursue(request)

    def pursue(self, request: dict[str, Any]) -> None:
        """Ask after an order in doubt, or send it again under its id; one try."""
        order_id = request["client_order_id"]
        how = "again" if self.draw.random() < 0.4 else "outcome"
        try:
            if how == "again":
                answer = self.client.order_send(dict(request))
            else:
                answer = self.client.order_outcome(order_id, timeout=0.5)
            self.told(request, how, answer)
        except GatewayError as error:
            self.told(request, how, error)

    def told(self, request: dict[str, Any], how: str, answer: Any) -> None:
        """Keep what was told of an order. Only what is certain ends the doubt."""
        order_id = request["client_order_id"]
        fate, detail = _fate(answer, is_first=how == "send", is_asked=how == "outcome")
        self.note(told=order_id, how=how, fate=fate, **detail)
        if fate in ("lost", "unknown"):
            return
        self.doubtful.pop(order_id, None)
        self.busy -= {request.get("position"), request.get("position_by"), request.get("order")}
        self.follow(request, fate, detail)

    def follow(self, request: dict[str, Any], fate: str, detail: dict[str, Any]) -> None:
        """Know what is open now."""
        action = request["action"]
        if action == mt5.TRADE_ACTION_DEAL and "position" not in request:
            if fate == "done":
                self.positions[detail["order"]] = {key: request[key] for key in ("symbol", "volume", "type")}
        elif action == mt5.TRADE_ACTION_PENDING:
            if fate == "done":
                self.pending[detail["order"]] = {key: request[key] for key in ("symbol", "type", "price")}
        elif action in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_CLOSE_BY) or fate == "no":
            for key in ("position", "position_by", "order"):  # closed, or nothing that can be changed any more
                self.positions.pop(request.get(key, 0), None)
                self.pending.pop(request.get(key, 0), None)
        elif action == mt5.TRADE_ACTION_REMOVE and fate == "done":
            self.pending.pop(request["order"], None)

    # --- what to do -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        self.remember()
        while True:
            if not self.board.may_trade:
                self.rest()
            try:
                self.step()
            except GatewayError:
                time.sleep(0.02)
            time.sleep(self.draw.uniform(0.002, 0.03))

    def rest(self) -> None:
        """Leave the gateway alone until it is time to trade again."""
        self.client.disconnect()
        self.board.rest(self.index, True)
        while not self.board.may_trade:
            time.sleep(0.005)
        self.board.rest(self.index, False)
        self.client = self.connection()

    def remember(self) -> None:
        """Go after everything that an earlier life has left open."""
        for line in self.path.read_text().splitlines():
            note = json.loads(line)
            if "intent" in note:
                self.doubtful[note["intent"]["client_order_id"]] = note["intent"]
            elif "told" in note and note["fate"] not in ("lost", "unknown"):
                self.doubtful.pop(note["told"], None)

    def step(self) -> None:
        if self.doubtful and (len(self.doubtful) > 8 or self.draw.random() < 0.3):
            self.pursue(self.draw.choice(list(self.doubtful.values())))
            return
        self.look()
        chosen = self.draw.choices([self.enter, self.close, self.place, self.change, self.cancel], [8, 6, 4, 4, 3])[0]
        orders = [order for order in chosen() if order is not None]
        if orders:
            self.send(*orders)

    def look(self) -> None:
        """Read a quote, which must be of the symbol that was asked for; after a death, what is open."""
        symbol = self.draw.choice(list(SYMBOLS))
        spec = self.client.symbol_info(symbol)
        if spec is None:
            return
        if spec.name != symbol:
            self.note(wrong=f"asked for {symbol}, told of {spec.name}")
        self.quotes[symbol] = (spec.bid, spec.ask)
        if not self.positions and not self.pending:
            mine = range((self.index + 1) * 10**12, (self.index + 2) * 10**12)
            for position in self.client.positions_get() or ():
                if position.magic in mine and position.ticket not in self.busy:
                    self.positions[position.ticket] = {"symbol": position.symbol, "volume": position.volume}
                    self.positions[position.ticket]["type"] = position.type
            for order in self.client.orders_get() or ():
                if order.magic in mine and order.ticket not in self.busy:
                    self.pending[order.ticket] = {"symbol": order.symbol, "type": order.type}
                    self.pending[order.ticket]["price"] = order.price_open

    def enter(self) -> Iterator[dict[str, Any] | None]:
        if len(self.positions) >= MAX_POSITIONS:
            yield from self.close()
            return
        for _ in range(self.draw.choice([1, 1, 1, 1, 3, 5])):
            yield {
                "action": mt5.TRADE_ACTION_DEAL,
                "symbol": self.draw.choice(list(SYMBOLS)),
                "volume": self.draw.randint(1, 60) / 100,
                "type": self.draw.choice([mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL]),
                "type_filling": mt5.ORDER_FILLING_FOK,
                "deviation": 10_000,
            }

    def close(self) -> Iterator[dict[str, Any] | None]:
        free = [ticket for ticket in self.positions if ticket not in self.busy]
        self.draw.shuffle(free)
        for ticket in free[: self.draw.choice([1, 1, 2])]:
            position = self.positions[ticket]
            self.busy.add(ticket)
            twin = self.opposite(ticket)
            if twin and self.draw.random() < 0.5:
                self.busy.add(twin)
                yield {"action": mt5.TRADE_ACTION_CLOSE_BY, "position": ticket, "position_by": twin}
                return
            yield {
                "action": mt5.TRADE_ACTION_DEAL,
                "position": ticket,
                "symbol": position["symbol"],
                "volume": position["volume"],
                "type": mt5.ORDER_TYPE_SELL if position["type"] == mt5.POSITION_TYPE_BUY else mt5.ORDER_TYPE_BUY,
                "type_filling": mt5.ORDER_FILLING_FOK,
                "deviation": 10_000,
            }

    def opposite(self, ticket: int) -> int:
        """Return a position that a close-by could close this one with, 0 for none; of equal volume, so both go."""
        wanted = self.positions[ticket]
        for other, position in self.positions.items():
            is_other = other not in self.busy and position["type"] != wanted["type"]
            if is_other and position["symbol"] == wanted["symbol"] and position["volume"] == wanted["volume"]:
                return other
        return 0

    def place(self) -> Iterator[dict[str, Any] | None]:
        if not self.quotes or len(self.pending) >= MAX_PENDING:
            yield from self.cancel()
            return
        symbol = self.draw.choice(list(self.quotes))
        bid, ask = self.quotes[symbol]
        is_buy = self.draw.random() < 0.5
        away = self.draw.choice([0.0004, 0.01, 0.02])  # some of them are filled
        price = bid * (1 - away) if is_buy else ask * (1 + away)
        yield {
            "action": mt5.TRADE_ACTION_PENDING,
            "symbol": symbol,
            "volume": self.draw.randint(1, 60) / 100,
            "type": mt5.ORDER_TYPE_BUY_LIMIT if is_buy else mt5.ORDER_TYPE_SELL_LIMIT,
            "price": round(price, SYMBOLS[symbol]),
            "type_filling": mt5.ORDER_FILLING_RETURN,
        }

    def change(self) -> Iterator[dict[str, Any] | None]:
        """Set other stops for a position or another price for a pending order."""
        free = [ticket for ticket in self.positions if ticket not in self.busy]
        if free and self.draw.random() < 0.5:
            ticket = self.draw.choice(free)
            position = self.positions[ticket]
            quote = self.quotes.get(position["symbol"])
            if quote is None:
                return
            self.busy.add(ticket)
            is_buy = position["type"] == mt5.POSITION_TYPE_BUY
            away = self.draw.uniform(0.02, 0.05)
            stop = quote[0] * (1 - away) if is_buy else quote[1] * (1 + away)
            stops = {"sl": round(stop, SYMBOLS[position["symbol"]]), "tp": 0.0}
            yield {"action": mt5.TRADE_ACTION_SLTP, "symbol": position["symbol"], "position": ticket, **stops}
            return
        free = [ticket for ticket in self.pending if ticket not in self.busy]
        if free:
            ticket = self.draw.choice(free)
            order = self.pending[ticket]
            self.busy.add(ticket)
            away = self.draw.uniform(0.0, 0.005)
            is_buy = order["type"] == mt5.ORDER_TYPE_BUY_LIMIT
            price = round(order["price"] * (1 - away if is_buy else 1 + away), SYMBOLS[order["symbol"]])
            yield {"action": mt5.TRADE_ACTION_MODIFY, "order": ticket, "price": price, "sl": 0.0, "tp": 0.0}

    def cancel(self) -> Iterator[dict[str, Any] | None]:
        free = [ticket for ticket in self.pending if ticket not in self.busy]
        if free:
            ticket = self.draw.choice(free)
            self.busy.add(ticket)
            yield {"action": mt5.TRADE_ACTION_REMOVE, "order": ticket}


def _fate(answer: Any, *, is_first: bool, is_asked: bool) -> tuple[str, dict[str, Any]]:
    """Return what an answer says of the order: done, no (the trade server's), refused, not_executed, never, unknown;
    or lost, where a repetition was turned away: that says nothing of the order itself.
    """
    match answer:
        case OutcomeUnknown():
            return "unknown", {"code": answer.code, "text": answer.message}
        case NotExecuted():
            return "not_executed", {"code": answer.code, "text": answer.message}
        case Unavailable() if is_asked and "never reached the gateway" in answer.message:
            return "never", {"code": answer.code, "text": answer.message}
        case Refused():
            fate = "refused" if is_first or is_asked else "lost"
            return fate, {"code": answer.code, "text": answer.message}
        case TerminalRefused():
            return "no", {"code": answer.code, "text": answer.message}
        case GatewayError():
            return "unknown" if is_asked else "lost", {
                "code": answer.code,
                "text": f"{type(answer).__name__}: {answer}",
            }
        case None:
            return "no", {"code": 0, "text": "no result"}
    fate = "done" if answer.retcode in DONE else "no"
    return fate, {
        "retcode": answer.retcode,
        "order": answer.order,
        "deal": answer.deal,
        "echo": answer.request.magic,
        "comment": answer.request.comment,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--board", type=Path, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--life", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    with suppress(KeyboardInterrupt):
        options = parser.parse_args()
        Strategy(options, Board(options.board)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Limits on exposure hold whatever the order in which orders are accepted, executed, answered, shown and forgotten."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.accounts import Account, AccountRules
from gateway.core.dedupe import Retention, new_order
from gateway.core.evidence import Ledger
from gateway.core.intents import VOLUME_UNITS
from gateway.core.limitset import RiskRules
from gateway.core.orderlog import OrderLog
from gateway.core.risk import Risk
from gateway.core.states import OrderState
from gateway.core.valuation import Valuation
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.structs import AccountInfo, TradeOrder, TradePosition

HEDGING, NETTING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING, mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING
MILLISECOND = 1_000_000
LIMIT_LOTS = 1.0
SYMBOL_LOTS = 0.7
SYMBOLS = ("EURUSD", "EURUSD.r", "XAUUSD")


def row(structure, **fields):
    return structure(list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values()))


class NoValues(Valuation):
    def __init__(self):
        """Without anybody to ask."""

    def value(self, symbol, now_ns):
        return None

    def look(self, now_ns):
        pass


class Market:
    """A trade server and its terminal, which may lag: what is true, and what is shown."""

    def __init__(self, margin_mode: int) -> None:
        self.margin_mode = margin_mode
        self.positions: dict[int, list] = {}  # ticket -> [symbol, signed lots in hundredths]
        self.orders: dict[int, tuple] = {}
        self.done: set[int] = set()
        self.ticket = 100

    def execute(self, fields) -> int:
        """Do what an order asks for; return its ticket."""
        self.ticket += 1
        ticket, volume = self.ticket, round(fields["volume"] * 100)
        signed = -volume if fields["type"] & 1 else volume
        symbol = fields["symbol"]
        if fields["action"] == mt5.TRADE_ACTION_PENDING:
            self.orders[ticket] = (symbol, fields["type"], volume)
            return ticket
        self.done.add(ticket)
        if self.margin_mode == NETTING:
            self.net(symbol, signed, ticket)
        elif fields.get("position"):
            held = self.positions.get(fields["position"])
            if held is None or held[1] * signed >= 0 or abs(signed) > abs(held[1]):
                return 0  # the server refuses it
            held[1] += signed
            if not held[1]:
                del self.positions[fields["position"]]
        else:
            self.positions[ticket] = [symbol, signed]
        return ticket

    def net(self, symbol, signed, ticket) -> None:
        held = next((number for number, one in self.positions.items() if one[0] == symbol), 0)
        if not held:
            self.positions[ticket] = [symbol, signed]
            return
        self.positions[held][1] += signed
        if not self.positions[held][1]:
            del self.positions[held]

    def trigger(self, ticket) -> None:
        """Let a pending order be filled."""
        symbol, kind, volume = self.orders.pop(ticket)
        self.done.add(ticket)
        signed = -volume if kind & 1 else volume
        if self.margin_mode == NETTING:
            self.net(symbol, signed, ticket)
        else:
            self.positions[ticket] = [symbol, signed]

    def worst(self, symbols) -> int:
        """Return what is truly at stake at its worst, in hundredths of a lot."""
        total = 0
        for symbol in symbols:
            held = [lots for name, lots in self.positions.values() if name == symbol]
            buys = sum(volume for name, kind, volume in self.orders.values() if name == symbol and not kind & 1)
            sells = sum(volume for name, kind, volume in self.orders.values() if name == symbol and kind & 1)
            if self.margin_mode == NETTING:
                total += max(abs(sum(held) + buys), abs(sum(held) - sells))
            else:
                total += sum(map(abs, held)) + buys + sells
        return total

    def ledger(self) -> Ledger:
        positions = {
            ticket: row(
                TradePosition,
                ticket=ticket,
                identifier=ticket,
                symbol=symbol,
                type=int(lots < 0),
                volume=abs(lots) / 100,
            )
            for ticket, (symbol, lots) in self.positions.items()
        }
        orders = {
            ticket: row(TradeOrder, ticket=ticket, symbol=symbol, type=kind, volume_current=volume / 100)
            for ticket, (symbol, kind, volume) in self.orders.items()
        }
        return Ledger(
            login=1,
            server="s",
            connected=True,
            server_time_msc=0,
            account=row(AccountInfo, margin_mode=self.margin_mode),
            positions=positions,
            orders=orders,
            history={ticket: row(TradeOrder, ticket=ticket) for ticket in self.done},
            deals=[],
        )


class Floor:
    """Risk, the orders it let pass, and a market whose answers and readings are on their way for any time."""

    def __init__(self, margin_mode: int) -> None:
        self.market = Market(margin_mode)
        account = Account(AccountRules("demo"), {})
        self.account = account
        self.log = OrderLog(1, codec, Retention(), False)
        rules = RiskRules(limits={"max_open_volume": LIMIT_LOTS}, symbols={"EURUSD": {"max_open_volume": SYMBOL_LOTS}})
        self.risk = Risk(rules, codec, {"demo": account}, {"demo": NoValues()}, None, self.log)
        self.now_ns = 0
        self.number = 0
        self.under_way: dict[int, list] = {}  # number -> [order, fields, ticket or None]
        self.readings: list[tuple] = []
        self.read()

    def read(self) -> None:
        self.ask()
        self.show(0)

    def ask(self) -> None:
        self.readings.append((self.now_ns, self.market.ledger()))

    def show(self, index: int) -> None:
        """Let a reading arrive; those before it are lost, for one is under way at a time."""
        asked_ns, ledger = self.readings[index]
        del self.readings[: index + 1]
        self.risk.seen(self.account, ledger, asked_ns, self.now_ns)

    def send(self, fields) -> bool:
        intent, refusal = self.risk.judge(fields, "demo", "me", self.now_ns)
        if refusal is not None:
            return False
        self.number += 1
        order = new_order(self.number, "me", f"id{self.number}", "demo", 0, False, False, codec.pack([fields]), 0)
        self.risk.accepted(order, intent, self.now_ns)
        self.under_way[self.number] = [order, fields, None]
        return True

    def execute(self, number: int) -> None:
        entry = self.under_way[number]
        if entry[2] is None:
            entry[2] = self.market.execute(entry[1])

    def settle(self, number: int, *, unknown: bool = False) -> None:
        """Let the answer arrive: what wasn't executed yet never will be."""
        order, _, ticket = self.under_way[number]
        if unknown:
            self.risk.settled(order, OrderState.UNKNOWN, 4, b"", self.now_ns)
            return
        del self.under_way[number]
        if ticket:
            result = codec.pack([mt5.TRADE_RETCODE_DONE, ticket, ticket])
            self.risk.settled(order, OrderState.ANSWERED, 0, result, self.now_ns)
        elif ticket == 0:
            result = codec.pack([mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME, 0, 0])
            self.risk.settled(order, OrderState.ANSWERED, 0, result, self.now_ns)
        else:
            self.risk.settled(order, OrderState.NOT_FOUND, 2, b"", self.now_ns)

    def check(self) -> None:
        assert self.market.worst(SYMBOLS) <= round(LIMIT_LOTS * 100)
        assert self.market.worst(SYMBOLS[:2]) <= round(SYMBOL_LOTS * 100)


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("send", "send", "execute", "execute", "settle", "unknown", "ask", "show", "trigger", "cancel")
        ),
        st.integers(0, 7),
        st.sampled_from((10, 30, 35, 70)),
        st.sampled_from(SYMBOLS),
        st.booleans(),
        st.booleans(),
    ),
    min_size=20,
    max_size=60,
)


@pytest.mark.parametrize("margin_mode", [HEDGING, NETTING])
@settings(max_examples=150, deadline=None)
@given(steps=steps)
def test_exposure_never_passes_its_limits(margin_mode, steps):
    floor = Floor(margin_mode)
    market = floor.market
    for what, which, hundredths, symbol, flag, other in steps:
        floor.now_ns += MILLISECOND
        numbers = list(floor.under_way)
        number = numbers[which % len(numbers)] if numbers else 0
        if what == "send":
            fields = {"action": 1, "symbol": symbol, "volume": hundredths / 100, "type": int(flag)}
            tickets = [ticket for ticket, held in market.positions.items() if held[0] == symbol]
            if other and tickets:
                ticket = tickets[which % len(tickets)]
                lots = market.positions[ticket][1]
                fields |= {"position": ticket, "volume": abs(lots) / 100, "type": int(lots > 0)}
            elif other:
                fields |= {"action": 5, "type": 2 + int(flag), "price": 1.0}
            floor.send(fields)
        elif what == "execute" and number:
            floor.execute(number)
        elif what in ("settle", "unknown") and number:
            floor.settle(number, unknown=what == "unknown")
        elif what == "ask" and len(floor.readings) < 2:
            floor.ask()
        elif what == "show" and floor.readings:
            floor.show(which % len(floor.readings))
        elif what == "trigger" and market.orders:
            market.trigger(list(market.orders)[which % len(market.orders)])
        elif what == "cancel" and market.orders:
            ticket = list(market.orders)[which % len(market.orders)]
            del market.orders[ticket]
            market.done.add(ticket)
        floor.check()


@pytest.mark.parametrize("margin_mode", [HEDGING, NETTING])
@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_once_all_is_settled_and_shown_the_books_are_what_is_true(margin_mode, steps):
    floor = Floor(margin_mode)
    for what, which, hundredths, symbol, flag, _ in steps:
        floor.now_ns += MILLISECOND
        if what == "send":
            floor.send({"action": 1, "symbol": symbol, "volume": hundredths / 100, "type": int(flag)})
        elif floor.under_way:
            number = list(floor.under_way)[which % len(floor.under_way)]
            if what == "execute":
                floor.execute(number)
            elif what == "settle":
                floor.settle(number)
    for number in list(floor.under_way):
        floor.settle(number)
    floor.now_ns += MILLISECOND
    floor.read()

    book = floor.risk.accounts["demo"].book

    assert not book.claims
    assert book.total.volume * 100 == floor.market.worst(SYMBOLS) * VOLUME_UNITS


@pytest.mark.parametrize("margin_mode", [HEDGING, NETTING])
def test_what_the_limits_leave_can_be_used(margin_mode):
    """The other direction: a book that refused everything would pass the tests above."""
    floor = Floor(margin_mode)
    sent = [floor.send({"action": 1, "symbol": "XAUUSD", "volume": 0.25, "type": 0}) for _ in range(5)]
    assert sent == [True, True, True, True, False]

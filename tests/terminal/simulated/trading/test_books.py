"""Laws of the books that hold whatever is traded: what adds up, what is unique, and what a restart brings back."""

import random
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.terminal.simulated.trading.books import FIRST_DEAL, Book, Changes, Exposure, Ledger, Position
from gateway.wire import constants as mt5
from gateway.wire.structs import TradeDeal

MARKETS = {"EURUSD": (1.1, 0.0001, 5), "USDJPY": (150.0, 0.01, 3), "XAUUSD": (2350.0, 0.5, 2)}
SYMBOLS = {
    "EURUSD": {"liquidity_lots": 0.25, "slippage_points": 3, "volume_limit": 2.0},
    "USDJPY": {"trade_exemode": "instant", "freeze_level": 5, "gtc_mode": "daily"},
    "XAUUSD": {"trade_exemode": "exchange", "filling_mode": ["fok", "ioc", "boc"], "liquidity_lots": 0.1,
               "commission_per_lot": 3.5, "commission_percent": 0.01},
}  # fmt: skip
names = st.sampled_from(list(MARKETS))
indexes = st.integers(0, 50)


class Trading(RuleBasedStateMachine):
    """Random requests and random ticks on three symbols, each with another kind of execution."""

    harness_type = None
    terms: ClassVar[dict[str, object]] = {}

    @initialize(seed=st.integers(0, 10_000))
    def start(self, seed):
        draw, quotes = random.Random(seed), {}
        for name, (price, step, digits) in MARKETS.items():
            rows = []
            for index in range(40):
                price = round(price + draw.randint(-30, 30) * step, digits)
                rows.append((index * 100, price, round(price + 3 * step, digits)))
            quotes[name] = rows
        self.harness = type(self).harness_type(quotes, deposit=5_000.0, symbols=SYMBOLS, **self.terms)
        self.book = self.harness.terminal.desk.book
        self.saved = self.book.take_changes()
        self.now_ms = 0

    def price(self, name, steps):
        _, step, digits = MARKETS[name]
        return round(self.harness.call("symbol_info_tick", name).bid + steps * step, digits)

    @rule(
        name=names, kind=st.integers(0, 1), lots=st.integers(1, 60), filling=st.integers(0, 3), sl=st.integers(0, 40),
        tp=st.integers(0, 40), stale=st.integers(-5, 5),
    )  # fmt: skip
    def trade(self, name, kind, lots, filling, sl, tp, stale):
        side = -1 if kind == 0 else 1
        self.harness.send(
            symbol=name,
            type=kind,
            volume=lots / 100,
            type_filling=filling,
            price=self.price(name, stale if kind else 3 + stale),
            deviation=3,
            sl=self.price(name, side * sl) if sl else 0.0,
            tp=self.price(name, -side * tp) if tp else 0.0,
        )

    @rule(
        name=names, kind=st.integers(2, 7), distance=st.integers(-3, 40), filling=st.integers(0, 3),
        lifetime=st.integers(0, 3), lots=st.integers(1, 60),
    )  # fmt: skip
    def pend(self, name, kind, distance, filling, lifetime, lots):
        below = kind in (mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_STOP, mt5.ORDER_TYPE_SELL_STOP_LIMIT)
        steps = -distance if below else 3 + distance
        limit = steps - 5 if kind == mt5.ORDER_TYPE_BUY_STOP_LIMIT else steps + 5
        self.harness.pend(
            kind,
            self.price(name, steps),
            volume=lots / 100,
            symbol=name,
            stoplimit=self.price(name, limit),
            type_filling=filling,
            type_time=lifetime,
            expiration=1_700_000_000 + distance % 5,
        )

    @rule(index=indexes, lots=st.integers(1, 40))
    def close(self, index, lots):
        positions = self.harness.positions()
        if positions:
            position = positions[index % len(positions)]
            self.harness.send(
                symbol="",
                type=1 - position.type,
                volume=min(lots / 100, position.volume),
                price=position.price_current,
                position=position.ticket,
            )

    @rule(first=indexes, second=indexes)
    def close_by(self, first, second):
        positions = self.harness.positions()
        if positions:
            tickets = [positions[index % len(positions)].ticket for index in (first, second)]
            self.harness.send(action=10, position=tickets[0], position_by=tickets[1])

    @rule(index=indexes, sl=st.integers(0, 40), tp=st.integers(0, 40))
    def move_stops(self, index, sl, tp):
        positions = self.harness.positions()
        if positions:
            position = positions[index % len(positions)]
            side = -1 if position.type == 0 else 1
            levels = {"sl": self.price(position.symbol, side * sl), "tp": self.price(position.symbol, -side * tp)}
            self.harness.send(action=6, symbol=position.symbol, position=position.ticket, **levels)

    @rule(index=indexes, steps=st.integers(-40, 40), remove=st.booleans())
    def change_order(self, index, steps, remove):
        orders = self.harness.orders()
        if orders:
            order = orders[index % len(orders)]
            price = self.price(order.symbol, steps)
            self.harness.send(action=8 if remove else 7, order=order.ticket, price=price, stoplimit=price)

    @rule(ms=st.integers(0, 700))
    def wait(self, ms):
        self.now_ms += ms
        self.harness.move_to(self.now_ms)
        desk = self.harness.terminal.desk
        desk.advance(desk.market.now_msc)

    @rule()
    def restart(self):
        self.note_changes()
        again = Book()
        again.restore(self.saved)

        assert contents(again) == contents(self.book)

    @invariant()
    def balance_is_the_sum_of_the_deals(self):
        deals = self.harness.deals()
        total = sum(deal.profit + deal.commission + deal.swap + deal.fee for deal in deals)

        assert self.harness.call("account_info").balance == pytest.approx(total, abs=1e-6)

    @invariant()
    def profit_is_that_of_the_positions(self):
        info = self.harness.call("account_info")
        positions = self.harness.positions()

        assert info.profit == pytest.approx(sum(position.profit + position.swap for position in positions), abs=1e-6)
        assert info.equity == pytest.approx(info.balance + info.profit, abs=1e-6)

    @invariant()
    def volumes_of_deals_are_the_open_volumes(self):
        sums = {}
        for deal in self.harness.deals():
            if deal.position_id:
                signed = deal.volume if deal.type == mt5.DEAL_TYPE_BUY else -deal.volume
                sums[deal.position_id] = round(sums.get(deal.position_id, 0.0) + signed, 6)
        open_now = {
            position.identifier: round(position.volume if position.type == 0 else -position.volume, 6)
            for position in self.harness.positions()
        }

        assert {identifier: volume for identifier, volume in sums.items() if volume} == open_now
        assert all(position.volume > 0.0 for position in self.harness.positions())

    @invariant()
    def volumes_of_orders_are_their_deals(self):
        filled = {}
        for deal in self.harness.deals():
            if deal.entry != mt5.DEAL_ENTRY_OUT_BY:
                filled[deal.order] = round(filled.get(deal.order, 0.0) + deal.volume, 6)
        for order in self.harness.orders() + self.harness.history():
            if order.type != mt5.ORDER_TYPE_CLOSE_BY:
                assert round(order.volume_initial - order.volume_current, 6) == filled.get(order.ticket, 0.0)
        assert all(0.0 < order.volume_current <= order.volume_initial for order in self.harness.orders())

    @invariant()
    def open_positions_have_the_deal_that_opened_them(self):
        opened = {deal.position_id for deal in self.harness.deals() if deal.entry == mt5.DEAL_ENTRY_IN}

        assert {position.identifier for position in self.harness.positions()} <= opened

    @invariant()
    def netting_holds_one_position_a_symbol(self):
        if self.terms["margin_mode"] != "hedging":
            held = [position.symbol for position in self.harness.positions()]
            assert len(set(held)) == len(held)

    @invariant()
    def tickets_are_unique_and_ascending(self):
        orders = [order.ticket for order in self.harness.history() + self.harness.orders()]
        deals = sorted(deal.ticket for deal in self.harness.deals())
        listed = [position.ticket for position in self.harness.positions()]
        active = [order.ticket for order in self.harness.orders()]

        assert len(set(orders)) == len(orders)
        assert deals == list(range(FIRST_DEAL, FIRST_DEAL + len(deals)))  # none is missing, none is there twice
        assert (listed, active) == (sorted(set(listed)), sorted(set(active)))

    def note_changes(self):
        changes = self.book.take_changes()
        if changes is not None:
            self.saved = joined(self.saved, changes)


def joined(before, after):
    return Changes(
        positions=before.positions | after.positions,
        orders=before.orders | after.orders,
        finished=before.finished + after.finished,
        deals=before.deals + after.deals,
        **{name: getattr(after, name) for name in ("balance", "credit", "next_order", "next_deal", "request_id")},
    )


def contents(book):
    """All that can be seen of a book, its order included."""
    return (
        list(book.positions.values()),
        list(book.orders.values()),
        {name: list(held) for name, held in book.positions_of.items() if held},
        {name: list(held) for name, held in book.orders_of.items() if held},
        {
            name: (held.buy_volume, held.buy_value, held.sell_volume, held.sell_value)
            for name, held in book.exposures.items()
        },
        book.history.between(0, 2**40),
        book.deals.between(0, 2**40),
        dict(book.history_of),
        dict(book.history_of_position),
        dict(book.deals_of_order),
        dict(book.deals_of_position),
        (book.balance, book.credit, book.request_id, book.pending, book.swap, book.next_order()),
    )


@pytest.mark.parametrize(
    "terms",
    [
        {"margin_mode": "hedging"},
        {"margin_mode": "hedging", "execution_delay_ms": 150},
        {"margin_mode": "netting"},
        {"margin_mode": "exchange", "execution_delay_ms": 150},
    ],
    ids=lambda terms: "-".join(str(value) for value in terms.values()),
)
def test_books_keep_their_laws_whatever_is_traded(written, terms):
    machine = type("Machine", (Trading,), {"harness_type": staticmethod(written), "terms": terms})
    case = machine.TestCase
    case.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
    case().runTest()


def deal(time_s, ticket):
    return TradeDeal((ticket, 0, time_s, time_s * 1000, *(0,) * 11, "", "", ""))


def position(ticket, **terms):
    values = {"symbol": "EURUSD", "type": 0, "volume": 0.3, "price_open": 1.1, "sl": 0.0, "tp": 0.0, "magic": 0,
              "reason": 3, "comment": "", "time_msc": 1, "time_update_msc": 1, "identifier": ticket}  # fmt: skip
    return Position(ticket=ticket, **(values | terms))


def test_ledger_is_in_order_of_time_and_of_entry():
    ledger = Ledger()
    for time_s, ticket in ((10, 1), (30, 2), (20, 3), (20, 4)):
        ledger.enter(time_s, deal(time_s, ticket))

    assert [item.ticket for item in ledger.between(10, 30)] == [1, 3, 4, 2]
    assert [item.ticket for item in ledger.between(20, 20)] == [3, 4]
    assert (ledger.count_between(11, 19), ledger.count_between(30, 10), len(ledger)) == (0, 0, 4)
    assert ledger.between(30, 10) == []


def test_exposure_sums_sides_apart():
    exposure = Exposure()
    exposure.add(0, 0.1, 2.0)
    exposure.add(0, 0.2, 3.0)
    exposure.add(1, 0.5, 4.0)

    assert (exposure.buy_volume, exposure.sell_volume) == (0.3, 0.5)
    assert (exposure.buy_value, exposure.sell_value) == (0.8, 2.0)


def test_exposure_doesnt_depend_on_the_order_of_what_was_added():
    one, other = Exposure(), Exposure()
    for volume, price in ((0.1, 1.1), (0.7, 1.3), (0.2, 1.7), (-0.1, 1.1)):
        one.add(0, volume, price)
    for volume, price in ((0.2, 1.7), (0.7, 1.3)):
        other.add(0, volume, price)

    assert (one.buy_volume, one.buy_value) == (other.buy_volume, other.buy_value)


def test_copy_of_an_exposure_leaves_the_original_alone():
    exposure = Exposure()
    exposure.add(0, 0.1, 2.0)
    exposure.copy().add(0, 0.1, 2.0)

    assert exposure.buy_volume == 0.1


def test_records_of_other_time_lines_are_found_by_their_own_times(written):
    market = written({"EURUSD": [(100_000, 1.1, 1.1001)], "XAUUSD": [(0, 2350.0, 2350.2)]})
    late = market.buy(symbol="EURUSD")
    early = market.buy(symbol="XAUUSD")  # its clock is older

    assert [item.order for item in market.deals()[1:]] == [early.order, late.order]


def test_positions_are_listed_by_ticket():
    book = Book()
    for ticket in (3, 1, 2):
        book.add_position(position(ticket))

    assert list(book.positions) == list(book.positions_of["EURUSD"]) == [1, 2, 3]


def test_position_is_found_by_its_identifier_whatever_its_ticket():
    book = Book()
    book.add_position(position(1))
    moved = book.replace_position(book.positions[1], ticket=7)

    assert book.position_by("EURUSD", 1) is moved
    assert book.position_by("EURUSD", 7) is None


def test_first_changes_are_the_whole_book_and_then_only_what_changed():
    book = Book()
    book.deposit(100.0, 5)
    book.add_position(position(1))
    first = book.take_changes()
    book.reduce_position(book.positions[1], 0.3, 9)
    second = book.take_changes()

    assert (list(first.positions), len(first.deals), first.balance) == ([1], 1, 100.0)
    assert (second.positions, second.deals, second.orders) == ({1: None}, [], {})
    assert book.take_changes() is None


def test_changes_are_copies():
    book = Book()
    book.add_position(position(1))
    changes = book.take_changes()
    book.move_stops(book.positions[1], 1.0, 1.2, 9)

    assert changes.positions[1].sl == 0.0


def test_swap_of_the_book_is_that_of_its_positions():
    book = Book()
    book.add_position(position(1, swap=1.5))
    book.add_position(position(2))
    book.charge_swap(book.positions[2], -4.0)
    both = book.swap
    book.replace_position(book.positions[1], ticket=3, swap=0.0)
    book.reduce_position(book.positions[2], 0.3, 9)

    assert (both, book.swap) == (-2.5, 0.0)


def test_only_an_empty_book_is_restored():
    book = Book()
    book.deposit(1.0, 5)

    with pytest.raises(ValueError, match="expected an empty book"):
        book.restore(book.take_changes())


def test_credit_is_apart_from_the_balance():
    book = Book()
    book.deposit(100.0, 5)
    book.deposit(50.0, 6, "bonus", mt5.DEAL_TYPE_CREDIT)

    assert (book.balance, book.credit) == (100.0, 50.0)

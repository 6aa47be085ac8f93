"""One law: the balance is the sum of the deals; whatever is traded."""

import dataclasses

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.terminal.simulated.trading.books import Exposure, Ledger
from gateway.wire.structs import TradeDeal

SYMBOLS = ["EURUSD", "USDJPY", "XAUUSD"]


class Trading(RuleBasedStateMachine):
    """Random orders and random ticks on three symbols, one of them with a commission."""

    harness_type = None

    @initialize(data=st.data())
    def start(self, data):
        quotes = {}
        for name, price, step in (("EURUSD", 1.1, 0.0001), ("USDJPY", 150.0, 0.01), ("XAUUSD", 2350.0, 0.5)):
            moves = data.draw(st.lists(st.integers(-30, 30), min_size=50, max_size=50))
            digits = {"EURUSD": 5, "USDJPY": 3, "XAUUSD": 2}[name]
            rows = []
            for index, move in enumerate(moves):
                price = round(price + move * step, digits)
                rows.append((index * 100, price, round(price + 3 * step, digits)))
            quotes[name] = rows
        self.harness = type(self).harness_type(quotes, deposit=5_000.0)
        symbol = self.harness.terminal._market.symbols["XAUUSD"]
        symbol.specification = dataclasses.replace(symbol.specification, commission_per_lot=3.5)
        self.now_ms = 0

    @rule(
        name=st.sampled_from(SYMBOLS),
        kind=st.integers(0, 1),
        steps=st.integers(1, 40),
        sl=st.integers(0, 40),
        tp=st.integers(0, 40),
    )
    def trade(self, name, kind, steps, sl, tp):
        tick = self.harness.call("symbol_info_tick", name)
        step = {"EURUSD": 0.0001, "USDJPY": 0.01, "XAUUSD": 0.5}[name]
        side = -1 if kind == 0 else 1
        self.harness.send(
            symbol=name,
            type=kind,
            volume=steps / 100,
            sl=tick.bid + side * sl * step if sl else 0.0,
            tp=tick.bid - side * tp * step if tp else 0.0,
        )

    @rule(name=st.sampled_from(SYMBOLS), kind=st.integers(2, 5), distance=st.integers(1, 40))
    def pend(self, name, kind, distance):
        tick = self.harness.call("symbol_info_tick", name)
        step = {"EURUSD": 0.0001, "USDJPY": 0.01, "XAUUSD": 0.5}[name]
        below = kind in (2, 5)
        self.harness.pend(kind, tick.bid + (-1 if below else 4) * distance * step, symbol=name)

    @rule(index=st.integers(0, 50), part=st.integers(1, 40))
    def close(self, index, part):
        positions = self.harness.positions()
        if positions:
            position = positions[index % len(positions)]
            volume = min(part / 100, position.volume)
            result = self.harness.send(symbol="", type=1 - position.type, volume=volume, position=position.ticket)
            assert result.retcode == 10009

    @rule(first=st.integers(0, 50), second=st.integers(0, 50))
    def close_by(self, first, second):
        positions = self.harness.positions()
        if positions:
            tickets = [positions[index % len(positions)].ticket for index in (first, second)]
            self.harness.send(action=10, position=tickets[0], position_by=tickets[1])

    @rule(ms=st.integers(0, 700))
    def wait(self, ms):
        self.now_ms += ms
        self.harness.move_to(self.now_ms)

    @invariant()
    def balance_is_the_sum_of_the_deals(self):
        deals = self.harness.deals()
        total = sum(deal.profit + deal.commission + deal.swap + deal.fee for deal in deals)

        assert self.harness.call("account_info").balance == pytest.approx(total, abs=1e-6)

    @invariant()
    def figures_agree_with_the_positions(self):
        info = self.harness.call("account_info")
        positions = self.harness.positions()

        assert info.profit == pytest.approx(sum(position.profit for position in positions), abs=1e-6)
        assert info.equity == pytest.approx(info.balance + info.profit, abs=1e-6)
        assert info.margin_free == pytest.approx(info.equity - info.margin, abs=1e-6)
        assert (info.margin == 0.0) == (not positions)

    @invariant()
    def volumes_of_deals_are_the_open_volumes(self):
        open_volume = {}
        for deal in self.harness.deals():
            if deal.position_id:
                sign = 1 if deal.entry == 0 else -1
                open_volume[deal.position_id] = open_volume.get(deal.position_id, 0.0) + sign * deal.volume
        held = {ticket: round(volume, 6) for ticket, volume in open_volume.items() if round(volume, 6)}

        assert held == {position.ticket: round(position.volume, 6) for position in self.harness.positions()}

    @invariant()
    def tickets_are_unique(self):
        orders = [order.ticket for order in self.harness.history() + self.harness.orders()]
        deals = [deal.ticket for deal in self.harness.deals()]

        assert len(set(orders)) == len(orders)
        assert len(set(deals)) == len(deals)


def test_balance_is_the_sum_of_the_deals_whatever_is_traded(written):
    machine = type("Machine", (Trading,), {"harness_type": staticmethod(written)})
    case = machine.TestCase
    case.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
    case().runTest()


def deal(time_s, ticket):
    return TradeDeal((ticket, 0, time_s, time_s * 1000, *(0,) * 11, "", "", ""))


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
    assert exposure.buy_value == pytest.approx(0.8)
    assert exposure.sell_value == 2.0


def test_records_of_other_time_lines_are_found_by_their_own_times(market):
    market.move_to(2500)
    late = market.buy(symbol="EURUSD")
    early = market.buy(symbol="XAUUSD")  # its only tick is older

    assert [item.order for item in market.deals()[1:]] == [early.order, late.order]

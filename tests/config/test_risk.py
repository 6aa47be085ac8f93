"""The pre-trade limits of a configuration: what they come to, and what is said of those that can't be."""

import pytest

from gateway.config import load
from gateway.core.limitset import LimitTable, RiskRules
from gateway.wire.errors import ConfigError
from gateway.wire.risklimits import LIMITS

FULL = """
    risk:
      limits: {max_volume: 1, trading_hours: ["mon-fri 07:00-21:00"], state: reducing}
      accounts: {demo: {max_open_volume: 2.5}}
      clients: {"*": {max_entries: 5, max_exits: 9}}
      symbols: {XAUUSD: {max_volume: 0.2}}
      bounds: {max_volume: 5}
      operators: desk, ann
      reset_time: "22:30"
      reset_clock: server
      symbol_suffixes: [m]
"""


def test_the_broker_is_told_rules_that_it_takes(loaded) -> None:
    rules = RiskRules(**loaded(FULL).broker_settings().risk)

    assert rules.limits == {"max_volume": 1.0, "trading_hours": ("mon-fri 07:00-21:00",), "state": "reducing"}
    assert (rules.operators, rules.reset_minutes, rules.reset_on_server) == (("desk", "ann"), 1_350, True)
    plan = LimitTable(rules).plan("demo", "me", "XAUUSD")
    assert plan.max_volume == 20_000_000
    assert [counted.text for counted in plan.counted] == ["account demo", "client me"]


def test_without_a_section_nothing_is_limited() -> None:
    assert LimitTable(RiskRules(**load(environ={}).broker_settings().risk)).is_empty()


def test_every_limit_can_be_configured(loaded) -> None:
    assert set(type(loaded(FULL).risk.limits).model_fields) == set(LIMITS)


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        ("limits: {max_volum: 1}", "risk.limits.max_volum"),
        ("limits: {max_volume: -1}", "risk.limits.max_volume"),
        ("limits: {trading_hours: [9 to 5]}", "mon-fri 07:00-21:00"),
        ("limits: {max_entries: 5, max_exits: 4}", "risk.limits.max_exits"),
        ("accounts: {demi: {max_volume: 1}}", "risk.accounts.demi"),
        ("symbols: {EURUSD: {max_daily_requests: 5}}", "risk.symbols.EURUSD.max_daily_requests"),
        ("{limits: {max_volume: 2}, bounds: {max_volume: 1}}", "risk.limits.max_volume"),
        ("{clients: {me: {max_volume: 2}}, bounds: {max_volume: 1}}", "risk.clients.me.max_volume"),
        ("reset_time: '25:00'", "risk.reset_time"),
        ("limits: {state: off}", "risk.limits.state"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(loaded, risk: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(f"risk: {risk}\n" if risk.startswith("{") else f"risk:\n  {risk}\n")
    assert said in str(error.value)

"""What a pre-trade check is given, and what it answers.

Rules: plain data; a refusal names the limit, whose it is, what was expected and what was found.
"""

from typing import Any

from gateway.core.accounts import Account
from gateway.core.equity import EquityWatch
from gateway.core.exposure import Book
from gateway.core.intents import Intent
from gateway.core.limitset import Plan
from gateway.core.valuation import SymbolValue, Valuation

__all__ = ("AccountRisk", "Case", "Refusal", "refusal", "told")


class AccountRisk:
    """All that is known of one account."""

    __slots__ = ("account", "book", "equity", "is_unrecorded", "recorded_ns", "values")

    def __init__(self, account: Account, book: Book, equity: EquityWatch, values: Valuation) -> None:
        self.account = account
        self.book = book
        self.equity = equity
        self.values = values
        self.is_unrecorded = False  # its equity has changed since it was journaled
        self.recorded_ns = 0


class Case:
    """One order before the checks."""

    __slots__ = ("ask", "bid", "intent", "is_entry", "now_ns", "plan", "risk", "value", "wall_ns")

    def __init__(self, intent: Intent, plan: Plan, risk: AccountRisk, now_ns: int, wall_ns: int) -> None:
        self.intent = intent
        self.plan = plan
        self.risk = risk
        self.now_ns = now_ns
        self.wall_ns = wall_ns
        self.is_entry = False
        self.value: SymbolValue | None = None  # its symbol's, where a limit needs it
        self.bid = 0.0  # the live quote, where a limit needs it; 0.0: none, or not looked for
        self.ask = 0.0


class Refusal:
    """Which limit stands against an order, and why."""

    __slots__ = ("detail", "text")

    def __init__(self, text: str, detail: dict[str, Any]) -> None:
        self.text = text
        self.detail = detail


def refusal(case: Case, name: str, expected: str, found: str) -> Refusal:
    """Return the refusal by a limit of which the tightest counts."""
    return told(name, case.plan.origins.get(name, ""), expected, found)


def told(name: str, scope: str, expected: str, found: str) -> Refusal:
    """Return the refusal by one scope's limit."""
    where = f"{name} ({scope})" if scope else name
    text = f"{where}: expected {expected}, got {found}"
    return Refusal(text, {"limit": name, "scope": scope, "expected": expected, "found": found})

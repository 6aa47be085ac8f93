"""The calls about limits: `limits` tells all that is in force and how near it is, `set_limits` changes it.

Rules: only the configured operators may change limits, each says why, and every change is in the journal before it is
answered; a change is within the bounds or isn't made at all.
"""

from typing import Any

from gateway.core.inflight import InFlight
from gateway.core.intents import lots
from gateway.core.limits import Codec
from gateway.core.outbox import Outbox
from gateway.core.risk import Risk
from gateway.core.riskcase import AccountRisk
from gateway.core.session import Session
from gateway.wire.errors import Code

__all__ = ("RISK_CALLS", "RiskDesk")

RISK_CALLS = ("limits", "set_limits")

MAX_REASON = 256
MAX_WHO = 64
_OPTIONS = frozenset(("rebase", "who"))
_NS_PER_MS = 1_000_000


class RiskDesk:
    """Answers them. Nothing here is hot."""

    def __init__(self, risk: Risk, codec: Codec, outbox: Outbox) -> None:
        self._risk = risk
        self._pack = codec.pack
        self._outbox = outbox

    def answer(self, now_ns: int, request: InFlight, name: str, session: Session, args: list[Any]) -> None:
        """Answer one of RISK_CALLS."""
        if name == "limits":
            if args:
                self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"limits takes no arguments, got {len(args)}")
            else:
                self._outbox.answer(request, self._pack(self._told(now_ns)))
            return
        self._set_limits(now_ns, request, session, args)

    def _set_limits(self, now_ns: int, request: InFlight, session: Session, args: list[Any]) -> None:
        risk = self._risk
        if session.client_id not in risk.rules.operators:
            known = ", ".join(risk.rules.operators) or "nobody"
            text = f"client {session.client_id!r} may not change limits: risk.operators names {known}"
            self._outbox.refuse(request, Code.PERMISSION, text)
            return
        problem = _form(args)
        if problem:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"set_limits: {problem}")
            return
        scope, problem = risk.table.scope(args[0])
        limits, why = args[1], args[2]
        options: dict[str, Any] = args[3] if len(args) == 4 else {}
        rebases = options.get("rebase", False)
        who = f"{options['who']} ({session.client_id})" if options.get("who") else session.client_id
        if scope is not None and scope[0] == "account" and scope[1] != "*" and scope[1] not in risk.accounts:
            problem = f"scope: there is no account {scope[1]!r}"
        if scope is None or problem or (not limits and not rebases):
            text = problem or "limits: expected at least one, got none"
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"set_limits: {text}")
            return
        if rebases and scope[0] != "account":
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, "set_limits: only an account can be measured anew")
            return
        problem = risk.table.problem(scope, limits) if limits else ""
        if problem:
            self._outbox.refuse(request, Code.RISK, f"set_limits: {problem}")
            return
        if limits:
            risk.change(scope, limits, who, why, now_ns)
        for name in risk.accounts if rebases else ():
            if scope[1] in ("*", name):
                risk.rebase(name, who, why)
        self._outbox.answer(request, self._pack({"scope": {scope[0]: scope[1]}, "limits": risk.table.held(scope)}))

    def _told(self, now_ns: int) -> dict[str, Any]:
        risk = self._risk
        limits = risk.table.describe()
        for entry in limits:
            ((kind, name),) = entry["scope"].items()
            if (kind, name) in risk.reasons:
                who, why, when = risk.reasons[(kind, name)]
                entry |= {"changed_by": who, "changed_because": why, "changed_ns": when}
        return {
            "active": risk.active,
            "limits": limits,
            "bounds": risk.table.bounds(),
            "operators": list(risk.rules.operators),
            "accounts": [_state_of(account, now_ns) for account in risk.accounts.values()],
        }


def _form(args: list[Any]) -> str:
    """Say what is wrong with the form of set_limits' arguments ("": nothing)."""
    if not 3 <= len(args) <= 4:
        return f"expected scope, limits, why and perhaps options, got {len(args)} arguments"
    if type(args[1]) is not dict:
        return f"limits: expected a map, got {args[1]!r:.80}"
    if type(args[2]) is not str or not 0 < len(args[2].strip()) <= MAX_REASON:
        return f"why: expected a reason of 1 to {MAX_REASON} characters, got {args[2]!r:.80}"
    if len(args) == 4:
        options = args[3]
        if type(options) is not dict or not options.keys() <= _OPTIONS:
            return f"options: expected a map of rebase and who, got {options!r:.80}"
        if type(options.get("rebase", False)) is not bool:
            return f"rebase: expected true or false, got {options['rebase']!r:.80}"
        if type(options.get("who", "")) is not str or len(options.get("who", "")) > MAX_WHO:
            return f"who: expected a text of at most {MAX_WHO} characters, got {options['who']!r:.80}"
    return ""


def _state_of(risk: AccountRisk, now_ns: int) -> dict[str, Any]:
    book, equity = risk.book, risk.equity
    is_known = book.reading is not None
    return {
        "account": risk.account.name,
        "age_ms": (now_ns - book.asked_ns) // _NS_PER_MS if is_known else None,
        "netting": book.netting,
        "open_volume": lots(book.total.volume),
        "positions": book.total.count,
        "under_way": len(book.claims),
        "symbols": {name: lots(group.volume) for name, group in book.groups.items() if group.volume},
        "clients": {name: lots(group.volume) for name, group in book.clients.items() if group.volume},
        "equity": equity.equity,
        "day_loss": equity.day_loss,
        "worst_day_loss": equity.worst_day_loss,
        "drawdown": equity.drawdown,
        "worst_drawdown": equity.worst_drawdown,
        "baseline": equity.baseline,
        "peak": equity.peak,
    }

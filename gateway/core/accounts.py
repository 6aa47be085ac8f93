"""Accounts: what the operator declared, what workers have proven, and whether orders may go.

Rules: a worker is used only for the account it has proven. What an operator left open is pinned by the first proof, for
the engine's life. Doubt refuses entries and permits exits; an account that nobody has proven takes no order at all.
"""

from dataclasses import dataclass
from typing import Any

from gateway.core.lanes import LaneQueue, Worker
from gateway.wire.calls import Lane
from gateway.wire.errors import Code

__all__ = ("Account", "AccountRules", "checked_proof")

_TRADE_MODES = {"demo": 0, "contest": 1, "real": 2}
_MODE_NAMES = {number: name for name, number in _TRADE_MODES.items()}
_MAX_LOGIN = 2**63 - 1
_MAX_TEXT = 256
_TEXTS = ("server", "path", "currency", "company", "name")
_NUMBERS = ("login", "trade_mode", "margin_mode", "build")
_REQUIRED = ("login", "server", "path", "trade_mode")
_TRADE = int(Lane.TRADE)


@dataclass(frozen=True)
class AccountRules:
    """What the operator declared of an account. 0 and "" mean: hold to what the first worker proves."""

    name: str
    mode: str = "demo"  # demo, contest or real
    allow_real: bool = False
    login: int = 0
    server: str = ""
    settle_ns: int = 60_000_000_000  # how long the ledger must show nothing of an order before it wasn't executed


def checked_proof(proof: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the fields of a worker's proof that we know, and what is wrong with them ("": nothing)."""
    known: dict[str, Any] = {}
    for field in _REQUIRED:
        if field not in proof:
            return known, f"proof: expected login, server, path and trade_mode, {field} is missing"
    for field in _NUMBERS:
        value = proof.get(field, 0)
        if type(value) is not int or not 0 <= value <= _MAX_LOGIN:
            return known, f"proof: {field}: expected an integer from 0 to {_MAX_LOGIN}"
        known[field] = value
    for field in _TEXTS:
        value = proof.get(field, "")
        if type(value) is not str or len(value) > _MAX_TEXT:
            return known, f"proof: {field}: expected a string of at most {_MAX_TEXT} characters"
        known[field] = value
    return known, ""


class Account:
    """One declared account: its lanes and its workers."""

    __slots__ = ("lanes", "login", "name", "prefix", "prefixes", "proof", "rejection", "rules", "server", "workers")

    def __init__(self, rules: AccountRules, cached_calls: dict[int, str]) -> None:
        if rules.mode not in _TRADE_MODES:
            raise ValueError(f"account {rules.name}: mode: expected demo, contest or real, got {rules.mode!r}")
        self.name = rules.name
        self.rules = rules
        self.login = rules.login
        self.server = rules.server
        self.proof: dict[str, Any] = {}  # the newest
        self.rejection = ""  # why the last worker was turned away, until one is accepted
        self.workers: list[Worker] = []  # accepted and not dead, proven or not
        self.lanes = [LaneQueue(rules.name, int(lane)) for lane in Lane]
        # The reply cache's keys: account NUL call NUL arguments.
        self.prefix = rules.name.encode() + b"\0"
        self.prefixes = {index: self.prefix + name.encode() + b"\0" for index, name in cached_calls.items()}

    def mismatch(self, proof: dict[str, Any]) -> str:
        """Say in what a proof contradicts what was declared or proven before ("": in nothing)."""
        rules = self.rules
        if rules.mode == "real" and not rules.allow_real:
            return f"account {self.name} is declared real, and allow_real isn't set for it"
        if proof["trade_mode"] != _TRADE_MODES[rules.mode]:
            found = _MODE_NAMES.get(proof["trade_mode"], f"trade_mode {proof['trade_mode']}")
            return f"account {self.name}: expected a {rules.mode} account, found {found}"
        if self.login and proof["login"] != self.login:
            return f"account {self.name}: expected login {self.login}, found {proof['login']}"
        if self.server and proof["server"] != self.server:
            return f"account {self.name}: expected server {self.server!r}, found {proof['server']!r}"
        if not proof["login"] or not proof["server"]:
            return f"account {self.name}: expected a login and a server, found {proof['login']} and {proof['server']!r}"
        return ""

    def accept(self, proof: dict[str, Any]) -> None:
        """Take a proof without mismatch; the first pins login and server."""
        self.login = proof["login"]
        self.server = proof["server"]
        self.proof = proof
        self.rejection = ""

    def order_refusal(self, is_exit: bool) -> tuple[int, str] | None:
        """Return code and message why an order can't go now, or None. O(workers)."""
        queue = self.lanes[_TRADE]
        if not queue.workers:
            why = self._unproven()
            if why:
                return int(Code.NOT_TRADABLE), f"account {self.name} isn't proven: {why}"
            return int(Code.UNAVAILABLE), f"no worker serves the trade lane of account {self.name}"
        if not is_exit and not queue.trades():
            return int(Code.NOT_TRADABLE), f"account {self.name} isn't tradable: {self.reason()}"
        return None

    def read_refusal(self, lane: int) -> str:
        """Return why a lane that nobody serves has no worker."""
        why = self._unproven()
        return (
            f"no worker serves the {self.lanes[lane].lane_name} lane of account {self.name}{': ' if why else ''}{why}"
        )

    def proven(self) -> bool:
        """Tell whether a live worker has proven whose account it holds."""
        return any(worker.attached for worker in self.workers)

    def tradable(self) -> bool:
        """Tell whether entries are accepted now."""
        return self.lanes[_TRADE].trades()

    def reason(self) -> str:
        """Return why not; "" if they are."""
        if self.tradable():
            return ""
        for worker in self.lanes[_TRADE].workers:
            return worker.reason or f"worker {worker.name} gives no reason"
        return self._unproven() or "no worker serves the trade lane"

    def describe(self) -> dict[str, Any]:
        """Return what `accounts` tells a client."""
        return {
            "name": self.name,
            "mode": self.rules.mode,
            "login": self.login,
            "server": self.server,
            "proven": self.proven(),
            "tradable": self.tradable(),
            "reason": self.reason(),
            "lanes": {queue.lane_name: len(queue.workers) for queue in self.lanes},
            "currency": self.proof.get("currency", ""),
            "company": self.proof.get("company", ""),
            "margin_mode": self.proof.get("margin_mode", 0),
        }

    def _unproven(self) -> str:
        if self.proven():
            return ""
        for worker in self.workers:
            if worker.condition == 0:
                return worker.reason or f"worker {worker.name} has no proof"
        if self.workers:
            return f"worker {self.workers[0].name} is lost"
        return self.rejection or "no worker is connected"

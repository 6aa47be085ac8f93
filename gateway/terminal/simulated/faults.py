"""What goes wrong on a simulated terminal: which faults there are, when each strikes, and what follows, as data. Pure.

A fault is scripted (`inject`) or comes at random (`rates`). It meets one call, or lasts for a time. Nothing is done
here: a `Verdict` says what becomes of one call, `in_force` says what holds for all of them; the terminal and its
server act on both.

Law: the same seed, the same injections and the same calls in the same order give the same verdicts. Every fault draws
from a generator of its own, so that one more fault moves none of the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from gateway.terminal.simulated.fault_kinds import FAULTS, MAX_NUMBER, FaultError, Parameters, known, settled

__all__ = ("CLEAR", "HELD", "LOGINS", "ByHand", "Faults", "Verdict", "symbol_of")

MAX_SCRIPTED: Final = 1_000
"""How many injections may wait for their calls."""
HELD: Final = -1
"""A delay that never ends."""

_NS_PER_MS: Final = 1_000_000
LOGINS: Final = ("initialize", "login")
"""Met only by an injection that names them: a fault meant for a bot's calls shouldn't keep a worker from joining."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A market order that somebody gives in the terminal. `volume` 0.0 is the smallest; no `side` closes what was
    opened by hand, or opens something if nothing was: `falls` says to which side."""

    symbol: str
    side: str
    falls: bool
    volume: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one call.

    `closes`: the connection is closed instead of answering. `delay_ms`: how much later it is answered, HELD is never.
    `retcode`: an order is refused with it (0 is not), `trades`: though it was executed. `comment`: what the broker
    keeps instead of the order's, None leaves it. `order_seed`: shuffles ticks of the same millisecond, None doesn't.
    `empty_calls`: how many calls find nothing of the symbol that is selected now.
    """

    executes: bool = True
    closes: bool = False
    delay_ms: int = 0
    retcode: int = 0
    trades: bool = False
    comment: str | None = None
    order_seed: int | None = None
    empty_calls: int = 0
    by_hand: ByHand | None = None


CLEAR: Final = Verdict()
"""Nothing goes wrong."""


@dataclass(slots=True)
class _Scripted:
    """An injection that waits for its calls; `left` 0 is for ever."""

    name: str
    parameters: Parameters
    call: str
    symbol: str
    skip: int
    left: int

    def meets(self, call: str, symbol: str) -> bool:
        """Say whether this call is one of those it is for."""
        calls = FAULTS[self.name].calls
        if self.call:
            return call == self.call and self.symbol in ("", symbol)
        return (call in calls if calls else call not in LOGINS) and self.symbol in ("", symbol)


@dataclass(frozen=True, slots=True)
class _InForce:
    until_ns: int | None
    parameters: Parameters


class Faults:
    """All that is injected, in force, or left to chance.

    `rates`: for each fault by name, its chance of meeting a call it can meet; raises FaultError for a name that isn't
    one, and for a rate outside 0 to 1. `seed`: of everything random.
    """

    def __init__(self, seed: int = 0, rates: Mapping[str, float] | None = None) -> None:
        self._scripted: list[_Scripted] = []
        self._in_force: dict[str, _InForce] = {}
        self._rates = dict(rates or {})
        for name, rate in self._rates.items():
            known(name)
            if not 0.0 <= rate <= 1.0:
                raise FaultError(f"faults: {name}: expected a chance from 0 to 1, got {rate!r}")
        self._draws = {name: Random(f"{seed}/{name}") for name in FAULTS}
        self.changes = 0
        """Counts what came into force and what ended."""
        self.due_ns: int | None = None
        """When the next lasting fault ends; None for never."""

    @property
    def quiet(self) -> bool:
        """Whether no call can meet a fault now; what is in force aside."""
        return not (self._scripted or self._rates)

    def inject(
        self,
        name: str,
        now_ns: int,
        *,
        count: int = 1,
        skip: int = 0,
        call: str = "",
        symbol: str = "",
        parameters: Parameters | None = None,
    ) -> None:
        """Script a fault for the next `count` calls (0: until cleared) behind the first `skip`, of these names alone.

        A lasting fault without call, symbol and skip begins now. Raises FaultError for what can't be meant.
        """
        fault = known(name)
        taken = settled(name, parameters or {})
        for what, number in (("count", count), ("skip", skip)):
            if not 0 <= number <= MAX_NUMBER:
                raise FaultError(f"{what}: expected 0 to {MAX_NUMBER}, got {number}")
        if call and fault.calls and call not in fault.calls:
            raise FaultError(f"{name}: meets {' and '.join(fault.calls)} only, got {call!r}")
        if fault.lasting and not (call or symbol or skip):
            self._begin(name, taken, now_ns)
            return
        if len(self._scripted) >= MAX_SCRIPTED:
            raise FaultError(f"faults: {MAX_SCRIPTED} wait already: clear some first")
        self._scripted.append(_Scripted(name, taken, call, symbol, skip, count))

    def clear(self, name: str = "") -> None:
        """Forget what is scripted and end what is in force, of one name or of all; chance remains."""
        if name:
            known(name)
        self._scripted = [item for item in self._scripted if name not in ("", item.name)]
        for lasting in [item for item in self._in_force if name in ("", item)]:
            del self._in_force[lasting]
            self.changes += 1
        self._schedule()

    def judge(self, call: str, symbol: str, now_ns: int) -> Verdict:
        """Say what becomes of a call, and begin what begins with it."""
        if self.quiet:
            return CLEAR
        verdict = CLEAR
        met: set[str] = set()
        for item in self._scripted:
            if item.name in met or not item.meets(call, symbol):
                continue
            if item.skip:
                item.skip -= 1
                continue
            met.add(item.name)
            item.left -= 1
            verdict = self._meet(verdict, item.name, item.parameters, symbol, now_ns)
        if met:
            # Counts down to 0; one that began at 0 is below it and stays.
            self._scripted = [item for item in self._scripted if item.left != 0]
        if call in LOGINS:
            return verdict
        for name, rate in self._rates.items():
            fault = FAULTS[name]
            if fault.calls and call not in fault.calls:
                continue
            if self._draws[name].random() < rate and name not in met:
                verdict = self._meet(verdict, name, fault.parameters, symbol, now_ns)
        return verdict

    def in_force(self, name: str) -> Parameters | None:
        """Return a lasting fault's parameters while it lasts, else None."""
        found = self._in_force.get(name)
        return None if found is None else found.parameters

    def expire(self, now_ns: int) -> None:
        """End the lasting faults whose time is over."""
        if self.due_ns is None or now_ns < self.due_ns:
            return
        ended = {name: item for name, item in self._in_force.items() if item.until_ns and item.until_ns <= now_ns}
        for name, item in ended.items():
            del self._in_force[name]
            self.changes += 1
            unsynchronised_ms = item.parameters.get("unsynchronised_ms", 0)
            if unsynchronised_ms:
                self._begin("unsynchronised", {"ms": unsynchronised_ms}, now_ns)
        self._schedule()

    def status(self, now_ns: int) -> list[dict[str, Any]]:
        """Return what is in force, scripted and left to chance, in this order, as plain values."""
        rows: list[dict[str, Any]] = []
        for name, lasting in self._in_force.items():
            left_ms = None if lasting.until_ns is None else max(lasting.until_ns - now_ns, 0) // _NS_PER_MS
            rows.append(
                {"fault": name, "state": "in force", "left_ms": left_ms, "parameters": dict(lasting.parameters)}
            )
        for item in self._scripted:
            rows.append(
                {
                    "fault": item.name,
                    "state": "scripted",
                    "call": item.call,
                    "symbol": item.symbol,
                    "skip": item.skip,
                    "left": max(item.left, 0) or None,
                    "parameters": dict(item.parameters),
                }
            )
        rows += [{"fault": name, "state": "at random", "rate": rate} for name, rate in self._rates.items()]
        return rows

    def _begin(self, name: str, parameters: Parameters, now_ns: int) -> None:
        ms = int(parameters["ms"])
        self._in_force[name] = _InForce(now_ns + ms * _NS_PER_MS if ms else None, parameters)
        self.changes += 1
        self._schedule()

    def _schedule(self) -> None:
        ends = [item.until_ns for item in self._in_force.values() if item.until_ns is not None]
        self.due_ns = min(ends, default=None)

    def _meet(self, verdict: Verdict, name: str, parameters: Parameters, symbol: str, now_ns: int) -> Verdict:
        """Return the verdict with one more fault in it."""
        fault = FAULTS[name]
        if fault.lasting:
            self._begin(name, parameters, now_ns)
            return verdict
        if fault.retcode:
            return replace(verdict, retcode=fault.retcode, trades=bool(parameters.get("executed", False)))
        match name:
            case "ipc_lost_before":
                return replace(verdict, executes=False, closes=True)
            case "ipc_lost_after":
                return replace(verdict, closes=True)
            case "slow":
                return verdict if verdict.delay_ms == HELD else replace(verdict, delay_ms=int(parameters["ms"]))
            case "hung":
                return replace(verdict, executes=verdict.executes and bool(parameters["executed"]), delay_ms=HELD)
            case "comment_overwritten":
                return replace(verdict, comment=str(parameters["text"]))
            case "first_call_empty":
                return replace(verdict, empty_calls=int(parameters["calls"]))
            case "ticks_reordered":
                return replace(verdict, order_seed=self._draws[name].getrandbits(32))
        falls = self._draws[name].random() < 0.5
        wanted = str(parameters["traded"]) or symbol
        return replace(verdict, by_hand=ByHand(wanted, str(parameters["side"]), falls, float(parameters["volume"])))


def symbol_of(call: str, arguments: Sequence[Any]) -> str:
    """Return the symbol that a call (in the canonical form of `arguments.prepare`) is about, "" for none."""
    place = _SYMBOL_AT.get(call)
    if place is None:
        return ""
    return str(arguments[place] or "")


_SYMBOL_AT: Final = {
    "copy_ticks_from": 0,
    "copy_ticks_range": 0,
    "copy_rates_from": 0,
    "copy_rates_from_pos": 0,
    "copy_rates_range": 0,
    "symbol_info": 0,
    "symbol_info_tick": 0,
    "symbol_select": 0,
    "market_book_add": 0,
    "market_book_release": 0,
    "market_book_get": 0,
    "positions_get": 1,
    "orders_get": 1,
    "order_calc_margin": 1,
    "order_calc_profit": 1,
    "order_check": 3,
    "order_send": 3,
}

"""What is at stake on an account, at its worst: what its terminal last showed, and orders that it may not show yet.

A reading gives positions and pending orders, other people's included. An order counts beside them as a claim from its
acceptance until a reading that was asked for after its answer shows it, or until it is known not to have happened.
Rules: nothing is ever left out between two readings; in doubt something is counted twice. Volumes are in VOLUME_UNITS.

The worst of a symbol: on hedging accounts everything added up, for each order may become a position of its own. On
netting accounts the greater of what all buys and what all sells would leave, for either may come without the other.
There an entry is judged by its own side alone: the other may be counted twice, and nothing may hide in what that adds.
"""

from typing import Any

from gateway.core.evidence import Ledger
from gateway.core.intents import CANCEL, ENTRY, EXIT, VOLUME_UNITS, Intent
from gateway.core.limitset import LimitTable
from gateway.wire import constants as mt5

__all__ = ("Book", "Claim", "Group", "Tally")

LAG_NS = 10_000_000_000
"""An order that was executed, and whose ticket no reading shows, counts on for so long after its answer."""

_LAG_NS = LAG_NS
_ENTRY = ENTRY
_EXIT = EXIT
_CANCEL = CANCEL
_DEAL = mt5.TRADE_ACTION_DEAL
_HEDGING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING


class Group:
    """What several symbols come to: those of one canonical name, all of an account, or a client's."""

    __slots__ = ("count", "tallies", "volume")

    def __init__(self) -> None:
        self.volume = 0
        self.count = 0
        self.tallies: list[Tally] = []


class Tally:
    """One symbol of an account."""

    __slots__ = ("bought", "buys", "claimed", "count", "group", "items", "sells", "sold", "symbol", "worst")

    def __init__(self, symbol: str, group: Group) -> None:
        self.symbol = symbol
        self.group = group
        self.bought = 0  # open
        self.sold = 0
        self.buys = 0  # pending and under way
        self.sells = 0
        self.claimed = 0  # of these, what is under way
        self.items = 0  # positions, pending orders and entries under way
        self.worst = 0
        self.count = 0


class Claim:
    """An order that the terminal may not show yet."""

    __slots__ = ("client_id", "direction", "number", "position", "settled_ns", "symbol", "ticket", "volume")

    def __init__(self, number: int, client_id: str, symbol: str, direction: int, volume: int, position: int) -> None:
        self.number = number
        self.client_id = client_id
        self.symbol = symbol
        self.direction = direction
        self.volume = volume
        self.position = position  # whose volume it closes, on hedging accounts; 0: it may open something
        self.settled_ns = 0  # when it was answered; 0: it hasn't been
        self.ticket = 0  # of the order at the trade server, once it is known


class Book:
    """One account's exposure."""

    __slots__ = (
        "_table",
        "asked_ns",
        "claims",
        "clients",
        "closing",
        "groups",
        "netting",
        "owners",
        "positions",
        "reading",
        "tallies",
        "total",
    )

    def __init__(self, table: LimitTable, netting: bool) -> None:
        """`table` knows each symbol's canonical name."""
        self._table = table
        self.netting = netting
        self.reading: Ledger | None = None
        self.asked_ns = 0
        self.positions: dict[int, Any] = {}
        self.tallies: dict[str, Tally] = {}
        self.groups: dict[str, Group] = {}
        self.clients: dict[str, Group] = {}  # on hedging accounts
        self.total = Group()
        self.claims: dict[int, Claim] = {}  # by number of the order
        self.closing: dict[int, int] = {}  # by position: the volume of closes under way
        self.owners: dict[int, str] = {}  # by ticket of an order or position: whose it is, as far as we know

    # --- what would be ------------------------------------------------------------------------------------------------

    def tally(self, symbol: str) -> Tally:
        """Return a symbol's tally, a new one if need be."""
        tally = self.tallies.get(symbol)
        if tally is None:
            name = self._table.canonical(symbol)
            group = self.groups.get(name)
            if group is None:
                group = self.groups[name] = Group()
            tally = self.tallies[symbol] = Tally(symbol, group)
            group.tallies.append(tally)
            self.total.tallies.append(tally)
        return tally

    def client(self, client_id: str) -> Group:
        """Return what counts for a client: its own on hedging accounts, all of it on netting ones."""
        return self.total if self.netting else self.clients.get(client_id, _NOTHING)

    def canonical(self, canonical: str) -> Group:
        """Return what counts for all symbols of one canonical name."""
        return self.groups.get(canonical, _NOTHING)

    def worst(self, symbol: str) -> int:
        """Return what a symbol comes to at its worst."""
        tally = self.tallies.get(symbol)
        return 0 if tally is None else tally.worst

    def volume_after(self, intent: Intent) -> int:
        """Return what an entry would bring its symbol to; 0: it raises nothing.

        On netting accounts: how far beyond zero on the entry's own side, if all that buys, or all that sells, came.
        That may be less than the symbol's worst now, and must fit all the same: the worst may be of what counts twice.
        """
        tally = self.tallies.get(intent.symbol)
        if tally is None or not intent.volume:
            return intent.volume
        if not self.netting:
            return tally.worst + intent.volume
        net = tally.bought - tally.sold
        after = intent.volume + (net + tally.buys if intent.direction > 0 else tally.sells - net)
        return max(after, 0)

    def added_count(self, intent: Intent) -> int:
        """Return by how much an entry would raise the number of positions."""
        tally = self.tallies.get(intent.symbol)
        return 0 if self.netting and tally is not None and tally.count else 1

    def reduces(self, intent: Intent) -> bool:
        """Tell whether an order can only reduce exposure, whatever else is under way.

        Hedging: it names a position (MQL5 documentation, Trade Request Structure), has the other direction, and closes
        with all that is under way no more than is open. Netting: the position never passes through zero, even if all
        that rests and is under way in its direction comes first. A named position that we haven't seen is believed.
        """
        if intent.kind == _CANCEL:
            return True
        if intent.action != _DEAL:
            return intent.kind == _EXIT
        if self.netting:
            if self.reading is None:
                return intent.kind == _EXIT
            tally = self.tallies.get(intent.symbol)
            if tally is None:
                return False
            net = tally.bought - tally.sold
            under_way = tally.buys if intent.direction > 0 else tally.sells
            return net * intent.direction < 0 and under_way + intent.volume <= abs(net)
        if intent.kind != _EXIT:
            return False
        position = self.positions.get(intent.ticket)
        if position is None:
            return True
        opposite = intent.direction == (-1 if position.type == mt5.POSITION_TYPE_BUY else 1)
        open_volume = round(position.volume * VOLUME_UNITS)
        return opposite and self.closing.get(intent.ticket, 0) + intent.volume <= open_volume

    # --- claims -------------------------------------------------------------------------------------------------------

    def claim(self, number: int, client_id: str, intent: Intent, is_reducing: bool) -> None:
        """Count an accepted order; what neither opens nor closes anything counts for nothing."""
        if intent.action == _DEAL or intent.kind == _ENTRY:
            position = intent.ticket if is_reducing and not self.netting else 0
            claim = Claim(number, client_id, intent.symbol, intent.direction, intent.volume, position)
            self.claims[number] = claim
            self._count(claim, 1)

    def drop(self, number: int) -> None:
        """Forget an order that certainly didn't happen."""
        claim = self.claims.pop(number, None)
        if claim is not None:
            self._count(claim, -1)

    def settled(self, number: int, ticket: int, now_ns: int) -> None:
        """Note that an order was executed, in whole or in part, or rests; it counts until it is shown."""
        claim = self.claims.get(number)
        if claim is not None:
            claim.settled_ns = now_ns
            claim.ticket = ticket
            if ticket and not claim.position:
                self.owners[ticket] = claim.client_id

    def _count(self, claim: Claim, sign: int) -> None:
        if claim.position:
            volume = self.closing.get(claim.position, 0) + sign * claim.volume
            if volume:
                self.closing[claim.position] = volume
            else:
                self.closing.pop(claim.position, None)
            return
        tally = self.tally(claim.symbol)
        if claim.direction > 0:
            tally.buys += sign * claim.volume
        else:
            tally.sells += sign * claim.volume
        tally.claimed += sign * claim.volume
        tally.items += sign
        self._weigh(tally)
        if not self.netting:
            self._own(claim.client_id, sign * claim.volume, sign)

    # --- readings -----------------------------------------------------------------------------------------------------

    def seen(self, ledger: Ledger, asked_ns: int) -> None:
        """Take what the terminal showed when it was asked at `asked_ns`. O(positions + orders + claims)."""
        self.reading = ledger
        self.asked_ns = asked_ns
        self.netting = ledger.account.margin_mode != _HEDGING
        self.positions = ledger.positions
        known: dict[int, Claim] = {}
        for number, claim in self.claims.items():
            if not _is_shown(claim, ledger.orders, ledger.history, asked_ns):
                known[number] = claim
        self.claims = known
        self._rebuild()

    def blind(self) -> None:
        """Forget what was shown: nothing is known until the next reading."""
        self.reading = None

    def _rebuild(self) -> None:
        ledger: Ledger = self.reading  # type: ignore[assignment]  # there is one
        self.tallies = {}
        self.groups = {}
        self.clients = {}
        self.total = Group()
        self.closing = {}
        owners: dict[int, str] = {}
        for claim in self.claims.values():
            if claim.ticket:
                owners[claim.ticket] = claim.client_id
        for position in ledger.positions.values():
            owner = self.owners.get(position.identifier, "") or self.owners.get(position.ticket, "")
            if owner:
                owners[position.identifier] = owner
            buys = position.type == mt5.POSITION_TYPE_BUY
            self._take(position.symbol, round(position.volume * VOLUME_UNITS), buys, True, owner)
        for order in ledger.orders.values():
            owner = self.owners.get(order.ticket, "")
            if owner:
                owners[order.ticket] = owner
            if self.netting or not order.position_id:  # else it closes a position
                self._take(order.symbol, round(order.volume_current * VOLUME_UNITS), not order.type & 1, False, owner)
        self.owners = owners
        for claim in self.claims.values():
            self._count(claim, 1)

    def _take(self, symbol: str, volume: int, buys: bool, is_open: bool, owner: str) -> None:
        tally = self.tally(symbol)
        if is_open and buys:
            tally.bought += volume
        elif is_open:
            tally.sold += volume
        elif buys:
            tally.buys += volume
        else:
            tally.sells += volume
        tally.items += 1
        self._weigh(tally)
        if owner and not self.netting:
            self._own(owner, volume, 1)

    def _own(self, client_id: str, volume: int, count: int) -> None:
        group = self.clients.get(client_id)
        if group is None:
            group = self.clients[client_id] = Group()
        group.volume += volume
        group.count += count

    def _weigh(self, tally: Tally) -> None:
        """Bring the tally's worst, and the sums that it is part of, up to date."""
        if self.netting:
            net = tally.bought - tally.sold
            worst = max(abs(net + tally.buys), abs(net - tally.sells))
            count = 1 if tally.items else 0
        else:
            worst = tally.bought + tally.sold + tally.buys + tally.sells
            count = tally.items
        for group in (tally.group, self.total):
            group.volume += worst - tally.worst
            group.count += count - tally.count
        tally.worst = worst
        tally.count = count


_NOTHING = Group()


def _is_shown(claim: Claim, orders: dict[int, Any], history: dict[int, Any], asked_ns: int) -> bool:
    """Tell whether a reading shows all that came of an order: it was asked for after the answer, and has its ticket."""
    if not claim.settled_ns or asked_ns < claim.settled_ns:
        return False
    if claim.ticket and (claim.ticket in orders or claim.ticket in history):
        return True
    return asked_ns - claim.settled_ns >= _LAG_NS

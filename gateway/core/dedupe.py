"""Accepted orders by their client's id: what makes a repeated request harmless.

Rules: every accepted order is known until it is older than the retention, and as long as it is unsettled. What was
forgotten is never executed as if it were new: ids born at or before the horizon are taken for forgotten, and refused.
"""

from collections import deque
from dataclasses import dataclass

from gateway.core.states import ORDER_MOVE_MASKS, IllegalMove, OrderState

__all__ = ("Order", "OrderTable", "Retention", "new_order")

_ORDER_MOVE_MASKS = ORDER_MOVE_MASKS
_ACCEPTED = int(OrderState.ACCEPTED)
_SENT = int(OrderState.SENT)
_UNKNOWN = int(OrderState.UNKNOWN)
_NS_PER_MS = 1_000_000
_BLOCK_BITS = 12
_FORGET_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How many settled orders are remembered, and for how long; what is unsettled is never forgotten."""

    max_orders: int = 65_536
    max_age_ms: int = 86_400_000
    max_ahead_ms: int = 60_000  # how far a client's clock may be ahead of ours


class Order:
    """One accepted order, from its acceptance until it is forgotten."""

    __slots__ = (
        "accepted_wall_ns",
        "account_name",
        "birth_ms",
        "call_id",
        "client_id",
        "doubted_ns",
        "generation",
        "has_kwargs",
        "is_exit",
        "number",
        "order_id",
        "released_ns",
        "result",
        "settled_wall_ns",
        "state",
        "status",
        "tail",
        "worker_name",
    )

    number: int  # the sequence of the record that accepted it
    client_id: str
    order_id: str
    account_name: str
    birth_ms: int
    is_exit: bool
    has_kwargs: bool
    tail: bytes
    accepted_wall_ns: int
    state: int
    generation: int  # of the broker that sent it; 0: none has
    call_id: int
    worker_name: str
    status: int  # of its reply, when there is one
    result: bytes
    settled_wall_ns: int
    doubted_ns: int  # since when it is UNKNOWN, and since when no worker can hold it any more (0: one may); monotonic
    released_ns: int

    def move(self, state: int) -> None:
        """Change the state; raises IllegalMove, and changes nothing, where the table doesn't lead."""
        if not _ORDER_MOVE_MASKS[self.state] >> state & 1:
            names = OrderState(self.state).name, OrderState(state).name
            raise IllegalMove(f"order {self.number}: {names[0]} can't become {names[1]}")
        self.state = state

    def is_settled(self) -> bool:
        """Tell whether its fate is known for good."""
        return self.state > _UNKNOWN


def new_order(
    number: int,
    client_id: str,
    order_id: str,
    account_name: str,
    birth_ms: int,
    is_exit: bool,
    has_kwargs: bool,
    tail: bytes,
    wall_ns: int,
) -> Order:
    """Return an order in state ACCEPTED."""
    order = Order.__new__(Order)
    order.number = number
    order.client_id = client_id
    order.order_id = order_id
    order.account_name = account_name
    order.birth_ms = birth_ms
    order.is_exit = is_exit
    order.has_kwargs = has_kwargs
    order.tail = tail
    order.accepted_wall_ns = wall_ns
    order.state = 0
    order.generation = 0
    order.call_id = 0
    order.worker_name = ""
    order.status = 0
    order.result = b""
    order.settled_wall_ns = 0
    order.doubted_ns = 0
    order.released_ns = 0
    return order


class OrderTable:
    """All remembered orders, by client and id, and by number while they are unsettled."""

    __slots__ = ("_blocks", "_retention", "_settled", "by_call", "by_client", "forgotten", "horizon_ms", "unsettled")

    def __init__(self, retention: Retention) -> None:
        self.by_client: dict[str, dict[str, Order]] = {}
        self.unsettled: dict[int, Order] = {}
        self.by_call: dict[tuple[int, int], Order] = {}  # by generation and call id: whose RETURN nobody waits for
        self.horizon_ms = 0
        self.forgotten = 0
        self._retention = retention
        self._settled: deque[Order] = deque()  # in the order they were settled
        self._blocks: dict[int, int] = {}  # how many are remembered of each BLOCK of numbers, ascending

    def __len__(self) -> int:
        return len(self.unsettled) + len(self._settled)

    def find(self, client_id: str, order_id: str) -> Order | None:
        """Return a remembered order."""
        orders = self.by_client.get(client_id)
        return None if orders is None else orders.get(order_id)

    def refusal(self, birth_ms: int, wall_ns: int) -> str:
        """Say why an id that isn't remembered can't be taken for a new one; "" if it can."""
        if birth_ms <= self.horizon_ms:
            return f"born {self.horizon_ms - birth_ms} ms before what is remembered begins: it may have been executed"
        ahead_ms = birth_ms - wall_ns // _NS_PER_MS
        if ahead_ms > self._retention.max_ahead_ms:
            return f"born {ahead_ms} ms in the future: set the clocks"
        return ""

    def doubt_until(self, wall_ns: int) -> None:
        """Take for forgotten whatever isn't remembered and may have been born by now, by a client's clock too."""
        born_ms = wall_ns // _NS_PER_MS + self._retention.max_ahead_ms
        if born_ms > self.horizon_ms:
            self.horizon_ms = born_ms

    def add(self, order: Order) -> None:
        """Remember a newly accepted order."""
        orders = self.by_client.get(order.client_id)
        if orders is None:
            orders = self.by_client[order.client_id] = {}
        orders[order.order_id] = order
        self.unsettled[order.number] = order
        block = order.number >> _BLOCK_BITS
        self._blocks[block] = self._blocks.get(block, 0) + 1

    def settle(self, order: Order, state: int, status: int, result: bytes, wall_ns: int) -> None:
        """Note what became of an order: UNKNOWN for now, or ANSWERED or REFUSED for good."""
        order.move(state)
        order.status = status
        order.result = result
        order.settled_wall_ns = wall_ns
        if state > _UNKNOWN and self.unsettled.pop(order.number, None) is not None:
            self._settled.append(order)
            if len(self._settled) > self._retention.max_orders:
                self._forget(self._settled.popleft())

    def forget_old(self, wall_ns: int) -> None:
        """Forget what was settled longer ago than the retention, a bounded number at once, and move the horizon."""
        oldest_ns = wall_ns - self._retention.max_age_ms * _NS_PER_MS
        for _ in range(_FORGET_AT_ONCE):
            if not self._settled or self._settled[0].settled_wall_ns >= oldest_ns:
                break
            self._forget(self._settled.popleft())
        horizon_ms = oldest_ns // _NS_PER_MS
        if horizon_ms > self.horizon_ms:
            self.horizon_ms = horizon_ms

    def settled_since(self, wall_ns: int) -> list[Order]:
        """Return the remembered orders settled at a time of the wall clock or later, the last first. O(found)."""
        found: list[Order] = []
        for order in reversed(self._settled):
            if order.settled_wall_ns < wall_ns:
                break
            found.append(order)
        return found

    def oldest_number(self) -> int:
        """Return a number that no remembered order is below; 0 if none is remembered. O(1)."""
        for block in self._blocks:
            return max(block << _BLOCK_BITS, 1)
        return 0

    def _forget(self, order: Order) -> None:
        orders = self.by_client[order.client_id]
        del orders[order.order_id]
        if not orders:
            del self.by_client[order.client_id]
        self.by_call.pop((order.generation, order.call_id), None)
        block = order.number >> _BLOCK_BITS
        self._blocks[block] -= 1
        if not self._blocks[block]:
            del self._blocks[block]
        self.forgotten += 1
        if order.birth_ms > self.horizon_ms:
            self.horizon_ms = order.birth_ms

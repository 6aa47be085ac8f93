"""Any history of a terminal, read with lag and repeats through restarts and segments: every deal told exactly once."""

from collections import Counter, defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.eventlog import EventRetention
from gateway.core.records import scan
from gateway.wire import constants as mt5
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition
from gateway.wire.tags import tag_of, tagged

SECOND = 1_000_000_000
START_S = 1_600_000_000
WALL_NS = (START_S + 30 * 86_400) * SECOND
"""What our clock shows at the monotonic clock's zero: the terminal replays an older day."""
VOLUME = TradePosition.__match_args__.index("volume")
FEW = EventRetention(max_events=24, max_per_client=8)
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CLIENTS = ("me", "other")
HEDGING, NETTING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING, mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING


def row(structure, **fields):
    values = {name: kind() for name, kind in structure.__annotations__.items()}
    return list((values | fields).values())


class Terminal:
    """What an honest terminal would show; its history may lag by a few readings."""

    def __init__(self, margin_mode):
        self.margin_mode = margin_mode
        self.now_s = START_S
        self.ticket = 100
        self.orders, self.positions = {}, {}
        self.history, self.deals = [], []  # (shown from which reading on, time, row)
        self.readings = 0
        self.lag = 0

    def new_ticket(self):
        self.ticket += 1
        return self.ticket

    def order(self, comment, **fields):
        time = {"time_setup": self.now_s, "time_setup_msc": self.now_s * 1_000}
        fields = {"symbol": "EURUSD", "volume_initial": 0.2, "comment": comment} | time | fields
        return row(TradeOrder, ticket=self.new_ticket(), **fields)

    def end(self, order, state):
        done = TradeOrder(order)._asdict()
        done |= {"state": state, "time_done": self.now_s, "time_done_msc": self.now_s * 1_000}
        self.history.append((self.readings + self.lag, self.now_s, row(TradeOrder, **done)))

    def deal(self, order, entry, position, volume=0.2, reason=0, comment=""):
        made = row(
            TradeDeal,
            ticket=self.new_ticket(),
            order=order[0],
            time=self.now_s,
            time_msc=self.now_s * 1_000,
            type=entry,
            entry=entry,
            position_id=position,
            volume=volume,
            reason=reason,
            symbol="EURUSD",
            comment=comment,
        )
        self.deals.append((self.readings + self.lag, self.now_s, made))
        return made

    def fill(self, order, volume=0.2):
        """Let an order open a position, on a netting account increase the one there is."""
        identifier = order[0]
        if self.margin_mode == NETTING and self.positions:
            (identifier,) = self.positions
        time = {"time": self.now_s, "time_msc": self.now_s * 1_000}
        place = self.positions.setdefault(
            identifier, row(TradePosition, ticket=identifier, identifier=identifier, symbol="EURUSD", **time)
        )
        place[VOLUME] += volume
        return self.deal(order, mt5.DEAL_ENTRY_IN, identifier, volume, comment=order[-2])

    def stop(self):
        """Let a stop loss close the oldest position."""
        if self.positions:
            identifier = next(iter(self.positions))
            del self.positions[identifier]
            order = self.order("[sl]", reason=mt5.ORDER_REASON_SL)
            self.end(order, mt5.ORDER_STATE_FILLED)
            self.deal(order, mt5.DEAL_ENTRY_OUT, identifier, reason=mt5.DEAL_REASON_SL)

    def ledger(self, since_s):
        self.readings += 1
        shown = [
            [made for due, time, made in entries if due < self.readings and time >= since_s]
            for entries in (self.history, self.deals)
        ]
        known = [*self.positions.values(), *self.orders.values(), *shown[0], *shown[1]]
        return {
            "login": 5001,
            "server": "Broker-Demo",
            "connected": True,
            "account": row(AccountInfo, margin_mode=self.margin_mode),
            "positions": list(self.positions.values()),
            "orders": list(self.orders.values()),
            "history_orders": shown[0],
            "deals": shown[1],
            "server_time_msc": max((entry[2] if len(entry) != 18 else entry[3] for entry in known), default=0),
        }


class World:
    """A terminal, the brokers that live one after the other, and what their clients are told."""

    def __init__(self, make_plane, margin_mode, retention):
        self.make_plane = make_plane
        self.retention = retention
        self.terminal = Terminal(margin_mode)
        self.terminal.fill(self.terminal.order(""))
        self.before = self.terminal.deals.pop()[2][0]
        self.segments = []  # (first sequence, bytes)
        self.generation = 0
        self.sent = 0
        self.sent_by = {}  # deal ticket -> client
        self.resting = {}  # order ticket -> client
        self.notices = defaultdict(list)
        self.now_ns = 10 * SECOND
        self.start()

    def start(self):
        self.generation += 1
        self.plane = plane = self.make_plane(
            generation=self.generation,
            watch_ns=SECOND // 2,
            observers=("auditor",),
            session_timeout_ns=2**60,
            event_retention=self.retention,
        )
        plane.now_ns = self.now_ns
        for first, data in self.segments:
            records, end, problem = scan(data, first)
            assert (end, problem) == (len(data), "")
            plane.engine.recover(records)
        plane.engine.start(bytes(16), self.now_ns, WALL_NS + self.now_ns)
        self.segments.append((self.last + 1 if self.segments else 1, b""))
        plane.on_records = self.write
        plane.flush()
        plane.ready()
        self.tokens = {
            client: plane.hello(client, identity=client.encode(), **({"observe": True} if client == "auditor" else {}))
            for client in (*CLIENTS, "auditor")
        }
        self.read()

    def write(self, data):
        first, old = self.segments[-1]
        self.segments[-1] = (first, old + data)
        self.last = max([first - 1, *(record[0] for record in scan(old + data, first)[0])])

    def rotate(self):
        self.plane.flush()
        oldest = self.plane.engine.begin_segment()
        data, last = self.plane.engine.take_records()
        self.segments.append((self.last + 1, b""))
        self.write(data)
        assert self.last == last
        ends = [first for first, _ in self.segments[1:]]
        self.segments = [
            segment
            for segment, end in zip(self.segments, [*ends, 2**60], strict=True)
            if end > oldest or segment is self.segments[-1]
        ]

    def read(self):
        """Let half a second pass, and the broker read what the terminal shows."""
        self.now_ns += SECOND
        self.plane.now_ns = self.now_ns
        self.plane.engine.tick(self.now_ns)
        for call in self.plane.all_calls():
            assert call.name == "ledger"
            self.plane.give_back(call, self.terminal.ledger(call.args[0]))
        self.plane.flush()
        for client in self.tokens:
            told = [one.result for one in self.plane.replies(client.encode()) if one.status == "order"]
            self.notices[client] += told

    def send(self, client, *, pending=False, lost=False, overwritten=False):
        """Let a client's order reach the terminal and be filled, at once or later."""
        self.sent += 1
        born = (WALL_NS + self.now_ns) // 1_000_000 + self.sent
        order_id = "".join(DIGITS[born << 80 >> shift & 31] for shift in range(125, -1, -5))
        fields = {"action": 5 if pending else 1, "symbol": "EURUSD", "type": 2 if pending else 0}
        fields["volume"] = self.sent / 100  # no look-alike of one in doubt
        request_id = self.plane.ask(
            "order_send",
            fields | {"client_order_id": order_id},
            token=self.tokens[client],
            identity=client.encode(),
            ttl_ms=1_000_000,
        )
        (call,) = self.plane.calls()
        terminal = self.terminal
        comment = "broker" if overwritten else tagged(tag_of(order_id), "x")
        order = terminal.order(comment, type=fields["type"], state=1)
        if pending:
            terminal.orders[order[0]] = order
            self.resting[order[0]] = client
            deal = 0
        else:
            terminal.end(order, mt5.ORDER_STATE_FILLED)
            deal = terminal.fill(order)[0]
            self.sent_by[deal] = client
        if lost:
            self.plane.give_back(call, [400, "the worker was lost", None], status=4)
        else:
            self.plane.give_back(call, [10009, deal, order[0], 0.2, 1.0, 0.0, 0.0, "", 0, 0, []])
        self.plane.reply(request_id, client.encode())

    def hit(self, ticket_index, *, whole):
        """Let a resting order be filled, or a part of it."""
        terminal = self.terminal
        if terminal.orders:
            tickets = list(terminal.orders)
            ticket = tickets[ticket_index % len(tickets)]
            order = terminal.orders[ticket]
            if whole:
                del terminal.orders[ticket]
                terminal.end(order, mt5.ORDER_STATE_FILLED)
            self.sent_by[terminal.fill(order, 0.2 if whole else 0.1)[0]] = self.resting[ticket]

    def cancel(self, ticket_index):
        terminal = self.terminal
        if terminal.orders:
            ticket = list(terminal.orders)[ticket_index % len(terminal.orders)]
            terminal.end(terminal.orders.pop(ticket), mt5.ORDER_STATE_CANCELED)

    def told(self, client):
        """Return all that a client was told, by notices and, page by page, by asking for it."""
        found, number = [], 1
        while True:
            page = self.plane.answer("events", number, token=self.tokens[client], identity=client.encode()).result
            found += page["events"]
            if not page["events"]:
                break
            number = found[-1]["number"] + 1
        by_number = {event["number"]: event for event in self.notices[client]}
        assert len(by_number) == len(self.notices[client])
        for event in found:
            if event["kind"] == "gap":
                assert (self.retention, event["missed"]) == (FEW, event["number"])
            else:
                assert by_number.setdefault(event["number"], event) == event
        return [by_number[number] for number in sorted(by_number)]


STEPS = st.one_of(
    st.tuples(
        st.just("send"),
        st.sampled_from(CLIENTS),
        st.booleans(),
        st.sampled_from(["answered", "answered", "lost", "overwritten"]),
    ),
    st.tuples(st.just("hand")),
    st.tuples(st.just("hit"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("stop")),
    st.tuples(st.just("wait"), st.integers(0, 25)),
    st.tuples(st.just("lag"), st.integers(0, 3)),
    st.tuples(st.just("read"), st.integers(1, 3)),
    st.tuples(st.just("rotate")),
    st.tuples(st.just("restart")),
)


def take(world, step):
    name, *given = step
    if name == "send":
        client, pending, how = given
        world.send(client, pending=pending, lost=how == "lost", overwritten=how == "overwritten")
    elif name == "hand":
        order = world.terminal.order("")
        world.terminal.end(order, mt5.ORDER_STATE_FILLED)
        world.terminal.fill(order)
    elif name == "hit":
        world.hit(given[0], whole=given[1])
    elif name == "cancel":
        world.cancel(given[0])
    elif name == "stop":
        world.terminal.stop()
    elif name == "wait":
        world.terminal.now_s += given[0]
        world.read()
    elif name == "lag":
        world.terminal.lag = given[0]
    elif name == "read":
        for _ in range(given[0]):
            world.read()
    elif name == "rotate":
        world.rotate()
    else:
        world.start()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([HEDGING, NETTING]), st.sampled_from([None, FEW]), st.lists(STEPS, max_size=40))
def test_every_deal_is_told_once_and_numbers_have_no_hole(make_plane, margin_mode, retention, steps):
    world = World(make_plane, margin_mode, retention)
    for step in steps:
        take(world, step)
    for _ in range(5):
        world.read()

    told = {client: world.told(client) for client in world.tokens}

    for events in told.values():
        assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    deals = Counter(event["deal"][0] for event in told["auditor"] if event["deal"])
    assert deals == Counter(deal[0] for _, _, deal in world.terminal.deals)
    for client in CLIENTS:
        own = Counter(event["deal"][0] for event in told[client] if event["deal"])
        assert set(own.values()) <= {1}
        assert {deal for deal, sender in world.sent_by.items() if sender == client} <= own.keys()
    placed = Counter(
        (event["kind"], event["order"][0]) for event in told["auditor"] if not event["deal"] and event["order"]
    )
    assert set(placed.values()) <= {1}
    opened = Counter(event["position"][0] for event in told["auditor"] if event["kind"] == "opened")
    assert set(opened.values()) <= {1}

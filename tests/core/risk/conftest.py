"""A plane with limits, and a terminal whose account is as it is told to be."""

import pytest

from gateway.core.limitset import RiskRules
from gateway.core.records import scan
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import Code, Status
from gateway.wire.structs import AccountInfo, SymbolInfo

SECOND = 1_000_000_000
HEDGING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
MONDAY_NOON = (4 * 86_400 + 12 * 3_600) * SECOND  # 1970-01-05


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


class Floor:
    """A plane with limits, and a terminal whose account is as it is told to be."""

    def __init__(self, make_plane, *, margin_mode=HEDGING, quotes=None, reading=True, **rules):
        self.margin_mode = margin_mode
        self.account = {"balance": 10_000.0, "equity": 10_000.0, "leverage": 100, "margin": 0.0}
        self.parts = {"positions": [], "orders": [], "history_orders": [], "deals": []}
        self.symbols = {
            "EURUSD": {
                "bid": 1.1,
                "ask": 1.1002,
                "trade_tick_value": 1.0,
                "trade_tick_value_loss": 1.0,
                "trade_tick_size": 0.00001,
            }
        }
        self.make_plane, self.rules, self.quotes = make_plane, RiskRules(**rules), quotes
        self.data = b""
        self.generation = 0
        self.start(10 * SECOND)
        if reading:
            self.read()
            self.read()

    def start(self, now_ns):
        """Let a broker start on the journal as it is."""
        self.generation += 1
        self.plane = plane = self.make_plane(
            generation=self.generation, watch_ns=SECOND // 4, quotes=self.quotes, risk=self.rules
        )
        plane.engine.recover(scan(self.data, 1)[0])
        plane.now_ns = now_ns
        plane.engine.start(bytes(16), now_ns, MONDAY_NOON + now_ns)
        plane.on_records = self.write
        plane.flush()
        for lane in ("trade", "watch", "query"):
            plane.ready(lane, lanes=(lane,), credit=64)
        plane.hello()
        return self

    def write(self, data):
        self.data += data

    def read(self, after=SECOND // 4):
        """Let time pass, and the terminal answer what it is asked."""
        self.plane.pass_time(after)
        self.serve()

    def serve(self):
        for name in (b"watch", b"query"):
            self.plane.from_worker(codec.encode_heartbeat(name.decode(), 1), name)
            for call in self.plane.all_calls(name):
                self.plane.give_back(call, *self.shown(call), identity=name)
        self.plane.from_worker(codec.encode_heartbeat("trade", 1), b"trade")
        self.plane.flush()

    def shown(self, call):
        if call.name == "symbol_info":
            found = self.symbols.get(call.args[0])
            return (None if found is None else row(SymbolInfo, name=call.args[0], **found),)
        account = row(AccountInfo, margin_mode=self.margin_mode, **self.account)
        proven = {"login": 5001, "server": "Broker-Demo", "connected": True, "account": account}
        return (proven | {"server_time_msc": 0} | self.parts,)

    def show(self, **parts):
        self.parts |= parts
        self.read()

    def pass_time(self, duration_ns):
        """Let time pass in which the terminal is read as always."""
        end_ns = self.plane.now_ns + duration_ns
        while self.plane.now_ns < end_ns:
            self.plane.answer("ping")
            self.read(min(SECOND // 4, end_ns - self.plane.now_ns))

    def send(self, volume=0.1, **fields):
        """Send an entry at the market; return its call, or the refusal's [code, message, detail]."""
        request = {"action": 1, "symbol": "EURUSD", "volume": volume, "type": 0} | fields
        self.last_request = self.plane.ask("order_send", request)
        calls = self.plane.calls(b"trade")
        if calls:
            return calls[0]
        reply = self.plane.reply(self.last_request)
        assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.RISK), reply
        return reply.result

    def refused(self, volume=0.1, **fields):
        """Send what must be refused; return the limit's name."""
        answer = self.send(volume, **fields)
        assert type(answer) is list, answer
        assert answer[1].startswith(answer[2]["limit"])
        return answer[2]["limit"]

    def goes(self, volume=0.1, **fields):
        """Send what must leave; return its call."""
        answer = self.send(volume, **fields)
        assert type(answer) is not list, answer
        return answer

    def fill(self, call, ticket, retcode=mt5.TRADE_RETCODE_DONE):
        """Let the terminal answer an order."""
        self.plane.give_back(call, [retcode, ticket, ticket, 0.0, 0.0, 0.0, 0.0, "", 0, 0, []], identity=b"trade")
        self.plane.flush()

    def set_limits(self, scope, limits, why="a test", client="operator", rebase=False):
        token = self.plane.hello(client, identity=b"desk")
        args = (scope, limits, why, {"rebase": True, "who": "ann"}) if rebase else (scope, limits, why)
        return self.plane.answer("set_limits", *args, token=token, identity=b"desk")


@pytest.fixture
def floor(make_plane):
    def make(**rules):
        return Floor(make_plane, **rules)

    return make

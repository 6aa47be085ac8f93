"""What is answered without the terminal: kept replies and quotes."""

import pytest

from gateway.core.engine import AccountRules
from gateway.wire import codec
from gateway.wire.errors import Status

SECOND = 1_000_000_000


class Board:
    """A quote source with one quote."""

    def __init__(self):
        self.asked = []
        self.fresh = True

    def encoded_tick(self, account, tail, now_ns):
        self.asked.append((account, tail, now_ns))
        return codec.pack([1, 2.0]) if self.fresh else None


def fetch(plane, name, *args, result=None, worker=b"w1", **options):
    """Ask what isn't kept yet."""
    request_id = plane.ask(name, *args, **options)
    plane.give_back(plane.call(worker), result, identity=worker)
    return plane.reply(request_id)


def test_a_kept_reply_needs_no_worker(plane):
    fetch(plane, "symbol_spec", "EURUSD", result={"digits": 5})
    reply = plane.answer("symbol_spec", "EURUSD")
    assert reply.result == {"digits": 5}
    assert (reply.stamps.sent, reply.stamps.returned) == (0, 0)
    assert reply.stamps.received == reply.stamps.replied == plane.now_ns
    cache = plane.stats()["cache"]
    assert (cache["size"], cache["hits"], cache["misses"], cache["hit_rate"]) == (1, 1, 1, 0.5)


def test_other_arguments_are_another_question(plane):
    fetch(plane, "symbol_spec", "EURUSD", result=1)
    fetch(plane, "symbol_spec", "GBPUSD", result=2)
    fetch(plane, "symbol_spec", result=3, kwargs={"symbol": "EURUSD"})
    assert plane.answer("symbol_spec", "EURUSD").result == 1


def test_a_kept_reply_expires(plane):
    fetch(plane, "version", result=[500, 1, "x"])
    plane.now_ns += SECOND
    plane.ask("version")
    assert plane.call()


def test_an_error_is_not_kept(plane):
    plane.ask("symbol_spec", "EURUSD")
    plane.give_back(plane.call(), [300, "no", None], status=3)
    plane.ask("symbol_spec", "EURUSD")
    assert plane.call()


def test_what_lives_is_never_kept(plane):
    for name in ("symbol_info", "symbol_info_tick", "positions_get", "account_info"):
        fetch(plane, name, "EURUSD")
        plane.ask(name, "EURUSD")
        plane.give_back(plane.call(), None)


def test_kept_replies_are_an_accounts_own(make_plane, proof):
    plane = make_plane(accounts=(AccountRules("demo"), AccountRules("demo2")))
    plane.ready("w1", account="demo")
    plane.ready("w2", account="demo2", proof=proof | {"login": 2})
    plane.hello()
    fetch(plane, "symbol_spec", "EURUSD", result=1)
    fetch(plane, "symbol_spec", "EURUSD", result=2, worker=b"w2", account="demo2")
    assert plane.answer("symbol_spec", "EURUSD").result == 1
    assert plane.answer("symbol_spec", "EURUSD", account="demo2").result == 2
    plane.ready("w1", account="demo", epoch=2)
    plane.ask("symbol_spec", "EURUSD")
    assert plane.call()
    assert plane.answer("symbol_spec", "EURUSD", account="demo2").result == 2


@pytest.mark.parametrize(("status", "kept"), [(0, False), (3, True)])
def test_symbol_select_makes_specifications_stale(plane, status, kept):
    fetch(plane, "symbol_spec", "EURUSD", result=1)
    fetch(plane, "terminal_info", result=2)
    plane.ask("symbol_select", "GBPUSD", True)
    plane.give_back(plane.call(), True, status=status)
    assert plane.answer("terminal_info").result == 2
    plane.ask("symbol_spec", "EURUSD")
    assert bool(plane.calls()) is not kept


def test_a_worker_that_says_ready_again_keeps_what_is_kept(plane):
    fetch(plane, "symbol_spec", "EURUSD", result=1)
    plane.ready()
    assert plane.answer("symbol_spec", "EURUSD").result == 1


def test_long_arguments_and_results_are_not_kept(plane):
    fetch(plane, "symbol_spec", "E" * 600, result=1)
    fetch(plane, "symbol_spec", "EURUSD", result="x" * 70_000)
    assert plane.stats()["cache"]["size"] == 0


def test_a_fresh_quote_comes_from_the_board(make_plane):
    board = Board()
    plane = make_plane(quotes=board)
    plane.hello()
    reply = plane.answer("symbol_info_tick", "EURUSD")
    assert (reply.status, reply.result, reply.stamps.sent) == (Status.OK, [1, 2.0], 0)
    assert board.asked == [("demo", codec.pack(["EURUSD"]), plane.now_ns)]
    assert plane.counters()["quotes_from_board"] == 1


def test_a_stale_quote_is_asked_of_the_terminal(make_plane):
    board = Board()
    plane = make_plane(quotes=board)
    plane.ready()
    plane.hello()
    board.fresh = False
    assert fetch(plane, "symbol_info_tick", "EURUSD", result=[9]).result == [9]


def test_keywords_are_the_terminals_affair(make_plane):
    board = Board()
    plane = make_plane(quotes=board)
    plane.ready()
    plane.hello()
    plane.ask("symbol_info_tick", kwargs={"symbol": "EURUSD"})
    assert plane.call()
    assert board.asked == []


def test_the_engine_works_with_any_cache_of_the_interface(make_plane):
    class Nothing:
        hits = misses = evictions = expirations = 0

        def get(self, key, now_ns):
            return None

        def put(self, key, value, now_ns, ttl_ns):
            assert (key, value, ttl_ns) == (b"demo\0symbol_spec\0" + codec.pack(["A"]), codec.pack(1), 300 * SECOND)

        def invalidate(self, prefix):
            assert prefix in (b"demo\0", b"demo\0symbol_spec\0")
            return 0

        def clear(self): ...

        def __len__(self):
            return 0

    plane = make_plane(cache=Nothing())
    plane.ready()
    plane.hello()
    fetch(plane, "symbol_spec", "A", result=1)
    fetch(plane, "symbol_select", "A", result=True)

"""journal show, journal verify, order list, order status: what they make of a journal, sound or not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import journal as commands
from gateway.core import records
from gateway.core.records import Kind
from gateway.core.states import OrderState
from gateway.journal import Journal, segments
from gateway.wire import codec
from gateway.wire.errors import Code, Status
from gateway.wire.structs import OrderSendResult, TradeRequest

START_NS = 1_763_645_405_123_456_789
"""2025-11-20 13:30:05.123 UTC"""

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ORDER = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 1, "price": 1.08123, "comment": "scalp"}
ERROR = [int(Code.OUTCOME_UNKNOWN), "its worker was lost", None]


def ulid(number: int = 0, born_ns: int = START_NS) -> str:
    value = (born_ns // 1_000_000) << 80 | number
    return "".join(DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


class Writer:
    """A broker's side of the journal: one record a second."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "journal"
        self.folder.mkdir(exist_ok=True)
        self.journal = Journal(self.folder)
        self.sequence = 0
        self.journal.recover(lambda _: None)
        self.journal.open(1)

    def write(self, kind: int, body: bytes) -> int:
        self.sequence += 1
        data = records.encode(kind, self.sequence, START_NS + self.sequence * 10**9, 1, 3, body)
        self.journal.append(data, self.sequence)
        return self.sequence

    def start(self, horizon_ms: int = 1) -> None:
        self.write(Kind.START, records.start_body(bytes(16), horizon_ms))

    def accept(self, order_id: str, client: str = "scalper", **fields: Any) -> int:
        tail = codec.pack([ORDER | fields | {"client_order_id": order_id}])
        body = records.accepted_body(1, client.encode(), order_id.encode(), b"demo", False, False, tail)
        return self.write(Kind.ACCEPTED, body)

    def sent(self, number: int) -> None:
        self.write(Kind.SENT, records.sent_body(number, 77, "demo-trade-1"))

    def settle(self, number: int, state: int, status: int = 0, result: Any = None) -> None:
        self.write(Kind.SETTLED, records.settled_body(number, state, status, codec.pack(result)))

    def answer(self, number: int, retcode: int = 10009) -> None:
        request = TradeRequest([0] * TradeRequest.n_fields)
        result = OrderSendResult((retcode, 22, 11, 0.1, 1.08123, 0.0, 0.0, "Request executed", 1, 0, request))
        self.settle(number, OrderState.ANSWERED, 0, result)

    def next_segment(self) -> None:
        self.journal.open(self.sequence + 1)


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that the configuration names; nothing else of this user's is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    monkeypatch.delenv("MT5GATE_STATE_DIR", raising=False)
    folder = tmp_path / "state"
    folder.mkdir()
    (tmp_path / "mt5gate.yaml").write_text(f"state_dir: {folder}\nbroker: {{endpoints: ['tcp://127.0.0.1:5550']}}\n")
    return folder


@pytest.fixture
def writer(state_dir: Path) -> Iterator[Writer]:
    writer = Writer(state_dir)
    writer.start()
    yield writer
    writer.journal.close()


@pytest.fixture
def run(mt5gate: Callable[..., Any], state_dir: Path) -> Callable[..., Any]:
    """A command on this state folder."""
    return lambda *arguments: mt5gate(*arguments, "--state-dir", str(state_dir))


def lines(result: Any) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- journal show ---


def test_show_tells_an_orders_life_while_its_broker_writes(run: Any, writer: Writer) -> None:
    number = writer.accept(ulid())
    writer.sent(number)
    writer.answer(number)

    result = run("journal", "show")

    assert result.exit_code == 0
    header, start, accepted, sent, answered = result.stdout.splitlines()
    assert header.split()[:4] == ["time", "(UTC)", "record", "order"]
    assert "generation 3" in start
    assert accepted.split() == [
        *("2025-11-20", "13:30:07.123", "2", "2", "accepted", "scalper", ulid(), "demo"),
        *("sell", "0.1", "EURUSD,", "price", "1.08123,", "comment", "scalp"),
    ]
    assert sent.endswith("demo      to demo-trade-1 as call 77")
    assert answered.endswith("10009 done, order 11, deal 22, 0.1 at 1.08123, Request executed")


def test_show_tells_who_resolved_an_order_and_nothing_of_the_disk(run: Any, writer: Writer) -> None:
    number = writer.accept(ulid())
    writer.settle(number, OrderState.UNKNOWN, Status.UNKNOWN, ERROR)
    writer.write(Kind.DURABLE, records.durable_body(number))
    writer.write(Kind.RESOLVED, codec.pack([number, True, 77, "ann (operator)", "seen"]))
    writer.answer(number)

    shown = run("journal", "show", "--order", ulid()).stdout.splitlines()

    assert [line.split()[4] for line in shown[1:]] == ["accepted", "unknown", "resolved", "answered"]
    assert shown[3].endswith("executed as 77, says ann (operator): seen")
    resolved = lines(run("journal", "show", "--json"))[3]
    assert (resolved["by"], resolved["ticket"], resolved["why"]) == ("ann (operator)", 77, "seen")
    assert run("journal", "verify").exit_code == 0


def test_show_as_json_has_everything(run: Any, writer: Writer) -> None:
    writer.settle(writer.accept(ulid()), OrderState.UNKNOWN, Status.UNKNOWN, ERROR)

    start, accepted, unknown = lines(run("journal", "show", "--json"))

    assert start["generation"] == 3
    assert accepted["request"] == ORDER
    assert accepted["client_order_id"] == ulid()
    assert unknown == {
        "time": "2025-11-20 13:30:08.123",
        "time_ns": START_NS + 3 * 10**9,
        "sequence": 3,
        "what": "unknown",
        "order": 2,
        "client": "scalper",
        "client_order_id": ulid(),
        "account": "demo",
        "status": 4,
        "reply": ERROR,
    }


def test_show_finds_the_journal_by_the_configuration(mt5gate: Any, writer: Writer) -> None:
    writer.accept(ulid())
    assert len(lines(mt5gate("journal", "show", "--json"))) == 2


def test_show_takes_what_is_asked_for(run: Any, writer: Writer) -> None:
    for number, client in enumerate(("a", "b", "a")):
        writer.sent(writer.accept(ulid(number), client))

    def sequences(*options: str) -> list[int]:
        return [event["sequence"] for event in lines(run("journal", "show", "--json", *options))]

    assert sequences("--client", "a") == [2, 3, 6, 7]
    assert sequences("--order", ulid(1)) == [4, 5]
    assert sequences("--since", "2025-11-20 13:30:10") == [5, 6, 7]
    assert sequences("--since", "2025-11-20T14:30:10+01:00", "--client", "b") == [5]
    assert sequences("--client", "nobody") == []


def test_show_takes_an_age(run: Any, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.clock, "wall_ns", lambda: START_NS + 62 * 10**9)
    writer.accept(ulid())
    assert [event["sequence"] for event in lines(run("journal", "show", "--json", "--since", "1m"))] == [2]


def test_show_reads_on_through_segments_and_leaves_out_what_is_cut_short(run: Any, writer: Writer) -> None:
    number = writer.accept(ulid())
    writer.next_segment()
    writer.sent(number)
    writer.answer(number)
    (_, path) = segments(writer.folder)[-1]
    with path.open("r+b") as file:
        file.truncate(records.scan(path.read_bytes(), 3)[1] - 1)

    assert [event["what"] for event in lines(run("journal", "show", "--json"))] == ["start", "accepted", "sent"]


def test_show_names_what_it_knows_of_an_order_whose_beginning_is_gone(run: Any, writer: Writer) -> None:
    number = writer.accept(ulid())
    writer.next_segment()
    writer.sent(number)
    segments(writer.folder)[0][1].unlink()

    (sent,) = lines(run("journal", "show", "--json"))

    assert (sent["what"], sent["order"], "client" in sent) == ("sent", 2, False)
    assert lines(run("journal", "show", "--json", "--client", "scalper")) == []


def test_show_writes_nothing_that_moves_a_cursor(run: Any, writer: Writer) -> None:
    writer.accept(ulid(), "evil\x1b[2J\nclient", symbol="EUR\r\x07USD")

    shown = run("journal", "show").stdout

    assert len(shown.splitlines()) == 3
    assert "evil\\x1b[2J\\nclient" in shown
    assert "EUR\\r\\x07USD" in shown


@pytest.mark.parametrize("fields", [{"action": "1"}, {"type": [5]}, {"volume": None, "symbol": 5}, {"action": 99}])
def test_show_takes_requests_of_any_content(run: Any, writer: Writer, fields: dict[str, Any]) -> None:
    writer.accept(ulid(), **fields)
    assert run("journal", "show").exit_code == 0


def test_show_passes_over_records_of_a_kind_it_does_not_know(run: Any, writer: Writer) -> None:
    writer.write(99, b"later")
    writer.accept(ulid())
    assert [event["what"] for event in lines(run("journal", "show", "--json"))] == ["start", "kind 99", "accepted"]


def test_follow_goes_on_with_what_is_written_until_interrupted(
    run: Any, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = writer.accept(ulid())
    steps = iter(
        [lambda: writer.sent(number), lambda: None, writer.next_segment, lambda: writer.answer(number)],
    )

    def pause(_seconds: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr(commands, "sleep", pause)
    result = run("journal", "show", "--follow", "--json")

    assert result.exit_code == 0
    assert [event["sequence"] for event in lines(result)] == [1, 2, 3, 4]


@pytest.mark.parametrize("since", ["yesterday", "5", "15 minutes", "2025-13-01"])
def test_since_that_is_no_time_is_refused(run: Any, writer: Writer, since: str) -> None:
    result = run("journal", "show", "--since", since)
    assert result.exit_code == 2
    assert "expected 15m" in result.stderr


@pytest.mark.parametrize("command", [["journal", "show"], ["journal", "verify"], ["order", "list", "--client", "a"]])
def test_absent_journal_is_said(run: Any, state_dir: Path, command: list[str]) -> None:
    result = run(*command)
    assert result.exit_code == 2
    assert f"{state_dir}/journal: there is no order journal" in result.stderr


# --- journal verify ---


def damage(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def test_verify_finds_a_sound_journal_sound_and_leaves_it_as_it_is(run: Any, writer: Writer) -> None:
    writer.answer(writer.accept(ulid()))
    writer.next_segment()
    writer.accept(ulid(1))
    before = [(path, path.read_bytes()) for _, path in segments(writer.folder)]

    result = run("journal", "verify")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "2 orders, 1 of them without a known fate; the journal is sound"
    assert [(path, path.read_bytes()) for _, path in segments(writer.folder)] == before
    first, second = lines(run("journal", "verify", "--json"))
    assert (first["first"], first["last"], first["records"], first["finding"]) == (1, 3, 3, "sound")
    assert (second["first"], second["last"], second["records"]) == (4, 4, 1)


def test_verify_takes_a_torn_end_for_what_the_next_start_repairs(run: Any, writer: Writer) -> None:
    writer.accept(ulid())
    (_, path) = segments(writer.folder)[-1]
    end = records.scan(path.read_bytes(), 1)[1]
    with path.open("r+b") as file:
        file.truncate(end - 1)

    result = run("journal", "verify", "--json")

    assert result.exit_code == 0
    (segment,) = lines(result)
    assert segment["finding"] == f"cut short at byte {segment['bytes']}; the next start cuts it away"


def test_verify_says_what_is_damaged_and_where(run: Any, writer: Writer) -> None:
    writer.accept(ulid())
    (_, path) = segments(writer.folder)[0]
    start_bytes = records.scan(path.read_bytes(), 1)[1]
    writer.accept(ulid(1))
    writer.next_segment()
    writer.accept(ulid(2))
    first_bytes = len(records.encode(Kind.START, 1, 1, 1, 1, records.start_body(bytes(16), 1)))
    assert first_bytes < start_bytes
    damage(path, first_bytes + 50)

    result = run("journal", "verify", "--json")

    assert result.exit_code == 1
    damaged, sound = lines(result)
    assert damaged["finding"] == f"record 2 at byte {first_bytes} is damaged, and record 3 behind it is sound"
    assert (damaged["last"], sound["finding"]) == (1, "sound")
    shown = run("journal", "show")
    assert shown.exit_code == 1
    assert damaged["finding"] in shown.stderr
    assert "DAMAGED" in run("journal", "verify").stdout


def test_verify_finds_a_segment_that_ends_too_early_and_one_that_is_missing(run: Any, writer: Writer) -> None:
    for number in range(3):
        writer.accept(ulid(number))
        writer.next_segment()
    writer.accept(ulid(3))
    found = [path for _, path in segments(writer.folder)]
    found[1].unlink()
    end = records.scan(found[2].read_bytes(), 4)[1]
    with found[2].open("r+b") as file:
        file.truncate(end - 1)

    result = run("journal", "verify", "--json")

    assert result.exit_code == 1
    assert [segment["finding"] for segment in lines(result)] == [
        "sound",
        "expected record 3 first, found 4: a segment is missing before it; cut short at byte 0",
        "sound",
    ]
    assert run("journal", "show").exit_code == 1


def test_verify_finds_a_sound_record_that_says_nothing(run: Any, writer: Writer) -> None:
    writer.write(Kind.SENT, b"short")
    result = run("journal", "verify")
    assert result.exit_code == 1
    assert "record 2 is sound, but its sent can't be read" in result.stdout


# --- order list, order status ---


def test_list_shows_a_clients_orders_and_what_became_of_them(run: Any, writer: Writer) -> None:
    done, doubtful, other = writer.accept(ulid(1)), writer.accept(ulid(2)), writer.accept(ulid(3), "other")
    writer.sent(done)
    writer.sent(doubtful)
    writer.answer(other)
    writer.answer(done)
    writer.settle(doubtful, OrderState.UNKNOWN, Status.UNKNOWN, ERROR)

    first, second = lines(run("order", "list", "--client", "scalper", "--json"))
    assert (first["client_order_id"], first["state"], first["worker"]) == (ulid(1), "answered", "demo-trade-1")
    assert (first["result"]["retcode"], first["result"]["order"]) == (10009, 11)
    assert (second["state"], second["reply"]) == ("unknown", ERROR)
    table = run("order", "list", "--client", "scalper").stdout
    assert "10009 done, order 11" in table
    assert "its worker was lost (400)" in table
    since = ("--since", "2025-11-20 13:30:08")
    assert [story["number"] for story in lines(run("order", "list", "--client", "scalper", "--json", *since))] == [3]
    assert run("order", "list", "--client", "nobody").stdout == "no orders\n"


@pytest.mark.parametrize(
    ("tell", "status"),
    [
        (lambda writer, number: writer.answer(number), 0),
        (lambda writer, number: writer.answer(number, 10010), 0),
        (lambda writer, number: writer.answer(number, 10015), 1),
        (lambda writer, number: writer.answer(number, 10012), 4),
        (lambda writer, number: None, 4),
        (lambda writer, number: writer.sent(number), 4),
        (lambda writer, number: writer.settle(number, OrderState.UNKNOWN, Status.UNKNOWN, ERROR), 4),
        (lambda writer, number: writer.settle(number, OrderState.REFUSED, Status.REFUSED, [207, "no", None]), 1),
        (lambda writer, number: writer.settle(number, OrderState.NOT_FOUND, Status.REFUSED, [207, "no", None]), 1),
        (lambda writer, number: writer.settle(number, OrderState.ANSWERED, Status.TERMINAL, [300, "no", None]), 1),
        (lambda writer, number: writer.settle(number, OrderState.ANSWERED, Status.OK, None), 4),
    ],
)
def test_status_ends_with_whether_it_may_have_happened(run: Any, writer: Writer, tell: Any, status: int) -> None:
    tell(writer, writer.accept(ulid(1)))
    writer.answer(writer.accept(ulid(2)))

    result = run("order", "status", ulid(1))

    assert result.exit_code == status
    assert ulid(1) in result.stdout
    assert ulid(2) not in result.stdout


def test_status_of_an_id_that_two_clients_used_is_the_worse_one(run: Any, writer: Writer) -> None:
    writer.answer(writer.accept(ulid(), "a"))
    writer.sent(writer.accept(ulid(), "b"))
    assert run("order", "status", ulid()).exit_code == 4
    assert run("order", "status", ulid(), "--client", "a").exit_code == 0


def test_status_of_what_is_not_there_tells_forgotten_from_never_seen(run: Any, writer: Writer) -> None:
    writer.start(horizon_ms=START_NS // 1_000_000)

    never = run("order", "status", ulid(born_ns=START_NS + 10**9))
    forgotten = run("order", "status", ulid())

    assert (never.exit_code, "never reached this gateway" in never.stderr) == (1, True)
    assert (forgotten.exit_code, "may have been executed" in forgotten.stderr) == (4, True)
    assert run("order", "status", "12345").exit_code == 2

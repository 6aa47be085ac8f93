"""What `mt5gate journal show` says of the records of order events."""

from typing import Any

from gateway.cli.chronicle import Chronicle
from gateway.core.records import Kind
from gateway.wire import codec


def told(kind: Kind, value: Any) -> Any:
    event = Chronicle().tell((7, 1_600_000_000 * 10**9, 1, int(kind), codec.pack(value)))
    assert event is not None
    return event


def test_an_event_says_what_happened_and_who_was_told() -> None:
    body = codec.pack(["demo", "stop_loss", 5, None, [901, 700], None])
    event = told(Kind.EVENT, [3, "demo", [["me", 2, "id", False]], body])
    assert "demo: stop loss, deal 901; told me (2)" in event.line()
    assert event.to_json()["told"] == [{"client": "me", "number": 2, "client_order_id": "id"}]
    assert "told nobody" in told(Kind.EVENT, [3, "demo", [], body]).line()


def test_a_segments_beginning_says_what_is_known() -> None:
    shown = ["demo", [5001, "Demo", 9, False], [], [[1]], [[2], [3]], [], [], []]
    assert "demo: 5001 on Demo: 1 orders, 2 positions" in told(Kind.SHOWN, shown).line()
    assert (
        "12 order events so far, of 2 clients and nobody" in told(Kind.NUMBERED, [1, 12, [["a", 3], ["b", 4]]]).line()
    )

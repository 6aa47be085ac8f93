"""A disk that refuses to write: no order leaves without its record, unless an operator says that exits may."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients import new_order_id
from gateway import journal
from gateway.broker import Broker
from gateway.wire import constants as mt5
from gateway.wire.errors import JournalError, Refused

EXIT = {"type": mt5.ORDER_TYPE_SELL}


def failing(code: int) -> Callable[..., int]:
    def fail(*_: Any) -> int:
        raise OSError(code, "the disk is dying")

    return fail


@pytest.fixture
def plane(make_plane: Callable[..., Any], folder: Path) -> Any:
    """A plane with its broker in this process, under whose feet the disk can be taken away."""
    return make_plane(folder, in_thread=True)


def test_what_cant_be_written_never_leaves_and_an_operator_may_allow_exits(
    plane: Any, market: dict[str, Any], monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    plane.start()
    with plane.client("strategy") as client, plane.client("operator") as operator:
        tickets = [client.order_send(market).order for _ in range(3)]
        monkeypatch.setattr(journal.os, "pwrite", failing(errno.EIO))
        order_id = new_order_id()

        for _ in range(2):
            with pytest.raises(JournalError, match="can't be written"):
                client.order_send(market | {"client_order_id": order_id})
        with pytest.raises(JournalError, match="exits are refused, too"):
            client.close(tickets[0])

        assert client.order_status(order_id)["state"] == "refused"
        assert client.positions_total() == 3
        assert "dying" in client.stats()["journal"]["lost"]
        operator.allow_exits(why="we have to get out")
        client.close(tickets[0])
        with pytest.raises(JournalError, match="entries are refused, exits are not"):
            client.order_send(market)
        operator.kill("all", flatten=True, reason="get out")
        until(lambda: client.positions_total() == 0, "everything to be closed")
        assert client.stats()["journal"]["unrecorded"] >= 3

    monkeypatch.undo()
    plane.stop()
    plane.start()
    with plane.client("strategy") as client:
        assert client.order_status(order_id)["state"] == "none", "what wasn't written was never executed"
        assert client.stats()["journal"] == {
            "entries_refused": "",
            "exits_refused": "",
            "lost": "",
            "exits_allowed_by": "",
            "unrecorded": 0,
        }
        client.order_send(market)


def test_what_isnt_durable_never_leaves_when_the_disk_refuses_to_sync(
    make_plane: Callable[..., Any], folder: Path, market: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = make_plane(folder, "disk", in_thread=True)
    plane.start()
    with plane.client("strategy") as client:
        ticket = client.order_send(market).order
        monkeypatch.setattr(journal, "_SYNC", failing(errno.EIO))
        for order in (market, market | EXIT | {"position": ticket}):
            with pytest.raises(JournalError, match="refuses"):
                client.order_send(order)
        assert [position.ticket for position in client.positions_get()] == [ticket]
    plane.stop()


def test_a_journal_that_can_be_read_and_not_written_is_served_without_orders(
    plane: Any, market: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.start()
    order_id = new_order_id()
    with plane.client("strategy") as client:
        ticket = client.order_send(market | {"client_order_id": order_id}).order
    plane.stop()

    monkeypatch.setattr(journal.os, "posix_fallocate", failing(errno.EIO))
    plane.start()

    with plane.client("strategy") as client:
        assert client.order_status(order_id)["result"].order == ticket
        assert client.order_send(market | {"client_order_id": order_id}).order == ticket
        with pytest.raises(JournalError, match="dying"):
            client.order_send(market)


def test_a_broker_that_lost_its_journal_for_want_of_room_makes_way_when_there_is_some(
    plane: Any, market: dict[str, Any], monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    plane.start()
    with plane.client("strategy") as client:
        client.order_send(market)
        thread = plane._thread
        with monkeypatch.context() as patched:
            patched.setattr(journal.os, "pwrite", failing(errno.ENOSPC))
            patched.setattr(journal.os, "posix_fallocate", failing(errno.ENOSPC))
            with pytest.raises(JournalError):
                client.order_send(market)
            assert thread.is_alive()
        until(lambda: not thread.is_alive(), "the broker to end")
    plane.start()
    with plane.client("strategy") as client:
        client.order_send(market)


def test_without_room_and_without_an_earlier_life_there_is_no_start(
    plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal.os, "posix_fallocate", failing(errno.ENOSPC))
    with pytest.raises(JournalError, match="holds no segment to go on in"):
        Broker(plane.settings, logging.getLogger("test"))


def test_a_journal_error_is_a_refusal() -> None:
    assert issubclass(JournalError, Refused)

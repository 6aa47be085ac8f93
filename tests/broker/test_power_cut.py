"""The power goes while orders run: what a disk may hold then is enough for the next broker to do nothing twice.

`durability: disk`. What was synced is on the disk for certain. Of what was written since, any sectors may be there and
any may be zero, and the file may be as long as it was or shorter. A cut happens when a sync is asked for: what the
broker could let leave by then is all that could have left.
"""

import errno
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients import new_order_id
from gateway import journal
from gateway.wire.errors import GatewayError, OutcomeUnknown, Refused

ORDERS = 40
SEEDS = 4
SECTOR_BYTES = 512


class FailingPower:
    """Stands between the journal and the disk: knows what was synced, and cuts the power at one of the syncs."""

    def __init__(self, folder: Path, cut_at: int, chance: random.Random, acknowledged: list[str]) -> None:
        self.image: dict[str, bytes] = {}
        self.acknowledged: list[str] = []  # at the moment of the cut
        self.is_cut = threading.Event()
        self._ended = threading.Event()
        self._folder = folder
        self._left = cut_at
        self._chance = chance
        self._acknowledged = acknowledged
        self._synced = {path.name: path.read_bytes() for path in folder.iterdir()}

    def sync(self, file: int) -> None:
        """Take the place of fdatasync."""
        self._left -= 1
        if self._left < 0:
            if not self.is_cut.is_set():
                self.acknowledged = list(self._acknowledged)  # before the image: all of these must be in it
                self.image = {path.name: self._left_of(path) for path in self._folder.iterdir()}
                self.is_cut.set()
            self._ended.wait(60.0)
            raise OSError(errno.EIO, "no power")
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        self._synced[path.name] = path.read_bytes()

    def end(self) -> None:
        self._ended.set()

    def _left_of(self, path: Path) -> bytes:
        """Return what the disk holds of a file: what was synced, and of the rest what luck has left."""
        data = bytearray(path.read_bytes())
        certain = self._synced.get(path.name, b"").rstrip(b"\0")
        assert data[: len(certain)] == certain
        for start in range(len(certain) // SECTOR_BYTES * SECTOR_BYTES, len(data.rstrip(b"\0")), SECTOR_BYTES):
            if self._chance.random() < 0.5:
                data[start : start + SECTOR_BYTES] = bytes(len(data[start : start + SECTOR_BYTES]))
        data[: len(certain)] = certain
        if self._chance.random() < 0.3:
            del data[self._chance.randint(len(certain), len(data)) :]
        return bytes(data)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs to know which file is being synced")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_a_power_cut_every_acknowledged_order_is_known_and_none_happens_twice(
    make_plane: Callable[..., Any],
    folder: Path,
    market: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., None],
    seed: int,
) -> None:
    chance = random.Random(seed)
    (folder / "a").mkdir(mode=0o700)
    first = make_plane(folder / "a", "disk", in_thread=True)
    first.start()
    orders = [market | {"client_order_id": new_order_id(), "magic": number} for number in range(1, ORDERS + 1)]
    acknowledged: list[str] = []
    written = first.inside._journal
    until(lambda: written.durable == written.last, "the start to be on the disk")
    power = FailingPower(
        folder / "a" / "journal", chance.choice((0, 1, chance.randrange(ORDERS))), chance, acknowledged
    )
    monkeypatch.setattr(journal, "_SYNC", power.sync)

    def trade() -> None:
        with first.client("strategy") as client:
            pendings = [client.submit("order_send", order, timeout=60.0) for order in orders]
            for order, pending in zip(orders, pendings, strict=True):
                try:
                    pending.result()
                except GatewayError:
                    continue
                acknowledged.append(order["client_order_id"])

    thread = threading.Thread(target=trade)
    thread.start()
    until(power.is_cut.is_set, "the power to be cut")
    (folder / "b").mkdir(mode=0o700)
    shutil.copy(folder / "a" / "generation", folder / "b" / "generation")
    (folder / "b" / "journal").mkdir(mode=0o700)
    for name, data in power.image.items():
        (folder / "b" / "journal" / name).write_bytes(data)
    power.end()
    first.end()
    thread.join(60.0)
    assert not thread.is_alive()
    monkeypatch.undo()

    second = make_plane(folder / "b", "disk", in_thread=True)
    second.start()

    with second.client("strategy") as client:
        states = {order["client_order_id"]: client.order_status(order["client_order_id"])["state"] for order in orders}
        assert all(states[order_id] == "answered" for order_id in power.acknowledged), (states, power.acknowledged)
        settled = "accepted", "sent", "unknown"
        until(lambda: not [one for one in client.client_orders() if one["state"] in settled], "every fate to be known")
        for order in orders:
            try:
                client.order_send(order)
            except (OutcomeUnknown, Refused):
                continue
        counts = Counter(position.magic for position in client.positions_get())
        assert counts, "nothing was executed: nothing was tried"
        assert max(counts.values()) == 1
        for order in orders:
            told = client.order_status(order["client_order_id"])
            assert (told["state"] == "answered") == (counts[order["magic"]] == 1), told

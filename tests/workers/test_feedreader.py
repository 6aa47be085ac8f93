"""One symbol's ticks out of a terminal that truncates dates, pages, lags, and shuffles within a millisecond."""

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.wire.structs import TICK_DTYPE, Tick
from gateway.workers import feedreader
from gateway.workers.feedreader import LAG_PATIENCE_NS, SWEEP_NS, TickReader

START_MSC = 1_700_000_000_000


def ticks_at(times: list[int], prices: list[int] | None = None) -> NDArray[Any]:
    """Ticks at these milliseconds behind the start; by default no two alike."""
    ticks = np.zeros(len(times), TICK_DTYPE)
    ticks["time_msc"] = np.asarray(times, dtype=np.int64) + START_MSC
    ticks["time"] = ticks["time_msc"] // 1_000
    ticks["bid"] = range(len(times)) if prices is None else prices
    return ticks


def tick_struct(row: Any) -> Tick:
    return Tick(row.tolist())


class History:
    """A terminal's history: it shows a prefix, a page at a time, shuffled within each millisecond if told so."""

    def __init__(self, ticks: NDArray[Any], shuffle: random.Random | None = None) -> None:
        self.ticks = ticks
        self.visible = len(ticks)
        self._shuffle = shuffle

    def read(self, second: int, count: int) -> NDArray[Any]:
        shown = self.ticks[: self.visible]
        if self._shuffle is not None and len(shown):
            keys = [self._shuffle.random() for _ in range(len(shown))]
            shown = shown[np.lexsort((keys, shown["time_msc"]))]
        return shown[shown["time_msc"] >= second * 1_000][:count]


def collect(reader: TickReader) -> list[tuple[int, int, NDArray[Any]]]:
    """Deliver everything that waits."""
    batches = []
    while (batch := reader.batch()) is not None:
        batches.append((batch.cursor_msc, batch.cursor_ordinal, np.frombuffer(batch.records, TICK_DTYPE)))
        reader.delivered()
        assert reader.cursor == batch[:2]
    return batches


def read_on(reader: TickReader, history: History, reads: int) -> list[tuple[int, int, NDArray[Any]]]:
    batches = []
    for _ in range(reads):
        reader.take(history.read(*reader.request()), 0)
        batches += collect(reader)
    return batches


def records(batches: list[tuple[int, int, NDArray[Any]]]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, TICK_DTYPE), *(rows for _, _, rows in batches)])


def counted(rows: NDArray[Any]) -> Counter[bytes]:
    return Counter(row.tobytes() for row in rows)


steps = st.lists(st.sampled_from([0, 0, 0, 1, 3, 400, 1_000, 2_500]), max_size=60)
growth = st.lists(st.integers(0, 8), max_size=30)


@given(steps=steps, growth=growth, page=st.integers(1, 9), alike=st.booleans(), seed=st.none() | st.integers(0, 99))
def test_every_tick_is_delivered_exactly_once(
    steps: list[int], growth: list[int], page: int, alike: bool, seed: int | None
) -> None:
    times = np.cumsum(steps).tolist() if steps else []
    history = History(
        ticks_at(times, [index % 2 for index in range(len(times))] if alike else None),
        None if seed is None else random.Random(seed),
    )
    reader = TickReader(START_MSC, page=page)
    history.visible = 0
    batches = []
    for more in growth:
        history.visible = min(history.visible + more, len(times))
        batches += read_on(reader, history, 1)
    history.visible = len(times)
    batches += read_on(reader, history, 2 * len(times) + 12)

    got = records(batches)
    assert counted(got) == counted(history.ticks)
    assert (np.diff(got["time_msc"]) >= 0).all()
    if seed is None:
        assert got.tobytes() == history.ticks.tobytes()
    assert reader.late == 0
    assert reader.caught_up
    place = Counter[int]()
    for cursor_msc, cursor_ordinal, rows in batches:
        place.update(rows["time_msc"].tolist())
        assert cursor_msc == rows["time_msc"][-1]
        assert cursor_ordinal == place[cursor_msc] - 1


@given(steps=steps, page=st.integers(1, 9), cut=st.integers(0, 60), data=st.data())
def test_reader_continues_behind_any_cursor(steps: list[int], page: int, cut: int, data: st.DataObject) -> None:
    history = History(ticks_at(np.cumsum(steps).tolist() if steps else []))
    first = TickReader(START_MSC, page=page)
    before = []
    for _ in range(cut):
        first.take(history.read(*first.request()), 0)
        before += collect(first)
    keep = data.draw(st.integers(0, len(before)))
    before = before[:keep]
    second = TickReader(before[-1][0], before[-1][1] + 1, page) if before else TickReader(START_MSC, page=page)
    after = read_on(second, history, 2 * len(steps) + 12)
    assert records(before + after).tobytes() == history.ticks.tobytes()
    place = Counter[int]()
    for cursor_msc, cursor_ordinal, rows in before + after:
        place.update(rows["time_msc"].tolist())
        assert cursor_ordinal == place[cursor_msc] - 1


def test_reader_begins_at_its_millisecond_not_at_its_second() -> None:
    history = History(ticks_at([0, 100, 500, 500, 600, 1_500]))
    batches = read_on(TickReader(START_MSC + 500), history, 2)
    assert records(batches).tobytes() == history.ticks[2:].tobytes()


def test_large_pages_are_delivered_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedreader, "MAX_BATCH", 3)
    history = History(ticks_at([0, 5, 5, 5, 5, 5, 5, 7]))
    batches = read_on(TickReader(START_MSC), history, 1)
    assert [(msc - START_MSC, ordinal, len(rows)) for msc, ordinal, rows in batches] == [
        (5, 1, 3),
        (5, 4, 3),
        (7, 0, 2),
    ]


def test_nothing_is_asked_while_something_waits() -> None:
    reader = TickReader(START_MSC)
    reader.take(History(ticks_at([0])).read(*reader.request()), 0)
    assert not reader.is_due(10**18)
    assert not reader.caught_up
    collect(reader)
    assert reader.is_due(10**18)
    assert reader.caught_up


def test_page_grows_with_a_second_that_fills_it_and_shrinks_again() -> None:
    history = History(ticks_at([*range(500), 2_000, 2_001]))
    reader = TickReader(START_MSC, page=64)
    counts = []
    while True:
        counts.append(reader.request()[1])
        reader.take(history.read(*reader.request()), 0)
        collect(reader)
        if reader.caught_up:
            break
    assert counts == [64, 128, 256, 512]
    assert reader.request() == ((START_MSC + 2_000) // 1_000, 64)


def test_second_beyond_every_page_is_counted_and_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedreader, "MAX_PAGE", 8)
    history = History(ticks_at([*range(20), 1_000]))
    reader = TickReader(START_MSC, page=4)
    got = records(read_on(reader, history, 6))
    assert got["bid"].tolist() == [*range(8), 20]
    assert reader.overfull == 1


def test_tick_inserted_behind_what_was_read_is_counted_once_and_not_delivered() -> None:
    ticks = ticks_at([0, 10, 20, 30])
    reader = TickReader(START_MSC)
    read_on(reader, History(ticks[[0, 1, 3]]), 1)
    assert read_on(reader, History(ticks), 3) == []
    assert reader.late == 1


def test_history_that_steps_back_for_a_while_repeats_nothing() -> None:
    history = History(ticks_at([0, 10, 1_200, 1_300]))
    reader = TickReader(START_MSC)
    first = read_on(reader, history, 1)
    history.visible = 3
    assert read_on(reader, history, 2) == []
    history.visible = 4
    assert read_on(reader, history, 2) == []
    assert len(records(first)) == 4


def test_page_out_of_order_is_sorted_by_time() -> None:
    ticks = ticks_at([0, 10, 20])
    reader = TickReader(START_MSC)
    reader.take(ticks[[1, 0, 2]], 0)
    assert records(collect(reader)).tobytes() == ticks.tobytes()


# --- when a page is worth asking for --------------------------------------------------------------------------------


def caught_up_reader(history: History, now_ns: int) -> TickReader:
    reader = TickReader(START_MSC)
    reader.take(history.read(*reader.request()), now_ns)
    collect(reader)
    return reader


def test_unchanged_tick_asks_for_nothing_until_the_sweep() -> None:
    history = History(ticks_at([0, 10]))
    reader = caught_up_reader(history, 100)
    last = tick_struct(history.ticks[-1])
    reader.observe(last, 100)
    reader.take(history.read(*reader.request()), 100)
    reader.observe(last, 200)
    assert reader.caught_up
    assert not reader.is_due(200)
    assert reader.is_due(100 + SWEEP_NS)


def test_changed_tick_asks_until_history_shows_it() -> None:
    history = History(ticks_at([0, 10, 10]))
    history.visible = 2
    reader = caught_up_reader(history, 0)
    reader.observe(tick_struct(history.ticks[2]), 0)
    now_ns = 0
    for _ in range(20):
        assert reader.is_due(now_ns)
        reader.take(history.read(*reader.request()), now_ns)
        assert not reader.is_due(now_ns)
        assert not reader.caught_up
        now_ns += feedreader.LAG_LIMIT_NS
    history.visible = 3
    reader.take(history.read(*reader.request()), now_ns)
    assert records(collect(reader))["bid"].tolist() == [2]
    assert reader.caught_up


def test_tick_that_history_never_shows_is_given_up() -> None:
    history = History(ticks_at([0]))
    reader = caught_up_reader(history, 0)
    reader.observe(tick_struct(ticks_at([10])[0]), 0)
    reader.take(history.read(*reader.request()), LAG_PATIENCE_NS)
    assert reader.caught_up
    assert not reader.is_due(LAG_PATIENCE_NS)


def test_tick_of_before_the_start_is_not_waited_for() -> None:
    reader = TickReader(START_MSC + 5_000)
    reader.observe(tick_struct(ticks_at([0])[0]), 0)
    reader.take(ticks_at([]), 0)
    assert reader.caught_up

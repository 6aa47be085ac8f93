"""The operations that are timed do in every hand what their name says."""

import msgpack
import numpy as np
import pytest

from bench.context import Context
from bench.micro import ENTRIES
from bench.micro.operations import OURS, cache_operations, codec_operations, tick_operations
from bench.ticks import sample_ticks


def operation(found, start):
    (one,) = [each for each in found if each.name.startswith(start)]
    return {hand.name: hand.function()() for hand in one.hands}


def test_all_hands_encode_the_same_request():
    frames = operation(codec_operations(), "encode a request")
    assert len(frames) >= 2
    assert len({str(msgpack.unpackb(frame)) for frame in frames.values()}) == 1


def test_all_hands_encode_the_same_reply():
    frames = operation(codec_operations(), "encode a reply")
    assert len({bytes(frame) for frame in frames.values()}) == 1


def test_a_decoded_batch_is_the_ticks_themselves():
    found = operation(tick_operations(), "decode a batch")
    assert np.array_equal(found[OURS], sample_ticks())
    assert found["msgpack"][4] == [list(tick) for tick in sample_ticks().tolist()]


def test_cache_hit_is_a_hit():
    found = operation(cache_operations(), "reply cache, a hit")
    assert all(isinstance(value, bytes) for value in found.values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_bench_measures_every_hand(entry, tmp_path, monkeypatch):
    monkeypatch.setattr(Context, "pick", lambda self, quick, full: (0.0001, 2))
    result = entry.run(Context(True, tmp_path, {}))
    assert result.name == entry.name
    assert all(block.cost_ns > 0 for measurement in result.measurements for block in measurement.blocks)

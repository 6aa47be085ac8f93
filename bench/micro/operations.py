"""The operations that are timed within one process, each in several hands: ours, its plain twin, and libraries.

A hand is a statement and the names it uses, as `timeit` takes them: the statement is compiled into the timing loop, so
that no lambda and no argument tuple stands between the clock and the call. Arguments are made beforehand and functions
bound once, for every hand alike: what is timed is one call from Python, with all that this takes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle
from timeit import Timer
from typing import Any, Final

import msgpack
import numpy as np

from bench import frames
from bench.runner import Target
from bench.ticks import BATCH, FEED, SYMBOL, sample_ticks
from gateway.accel import COMPILED, ReplyCache
from gateway.accel import codec as our_codec
from gateway.core.replycache import ReplyCache as PlainCache
from gateway.wire import codec as plain_codec
from gateway.wire.messages import topic_for
from gateway.wire.structs import TICK_DTYPE

__all__ = ("OURS", "Hand", "Operation", "cache_operations", "codec_operations", "tick_operations")

# An extra to compare with; the numbers of the others don't need it.
msgspec: Any = import_module("msgspec") if find_spec("msgspec") else None

OURS: Final = "mt5gate"
PLAIN: Final = "plain twin"
MSGPACK: Final = "msgpack"
MSGSPEC: Final = "msgspec"

ENCODE_TICK_NS: Final = Target("<=", 100.0)
DECODE_BATCH: Final = Target(">=", 100.0)

Names = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hand:
    """One way to do an operation."""

    name: str
    statement: str
    names: Names

    def timer(self) -> Timer:
        """Return the timing loop around the statement."""
        return Timer(self.statement, globals=self.names)

    def function(self) -> Callable[[], Any]:
        """Return the statement as a function without arguments: for pytest-benchmark, and to see what it returns."""
        made: Callable[[], Any] = eval(f"lambda: ({self.statement})", dict(self.names))
        return made


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done, and by whom; the first hand is ours.

    `faster`: how many times faster than `against` we promised to be; `cost_ns`: in how many nanoseconds.
    """

    name: str
    hands: tuple[Hand, ...]
    against: str = MSGPACK
    faster: Target | None = None
    cost_ns: Target | None = None


def _in_both(function: str, arguments: str, names: Names) -> tuple[Hand, ...]:
    """Return one function of our codec and, where that is compiled, of its plain twin too."""
    codecs: dict[str, Any] = {OURS: our_codec, PLAIN: plain_codec} if COMPILED else {OURS: our_codec}
    statement = f"{function}({arguments})"
    return tuple(Hand(name, statement, {**names, function: getattr(codec, function)}) for name, codec in codecs.items())


# Requests and replies

_STAMPS: Final = (10**15, 10**15 + 20_000, 10**15 + 90_000, 10**15 + 95_000, 1_000, 60_000)
_QUOTE: Final = [1_717_400_000, 1.08641, 1.08642, 0.0, 0, 1_717_400_000_123, 6, 0.0]

_REQUEST_NAMES: Final[Names] = {
    "session": 2**63,
    "request_id": 2**62,
    "name": "order_send",
    "account": frames.ACCOUNT,
    "args": (plain_codec.unpack(frames.ORDER.frame)[6][0],),
    "frame": frames.ORDER.frame,
}
_REQUEST_FIELDS: Final = "session, request_id, name, account, 0, args"


def _library_hands(pack: str | None, unpack: str | None, names: Names) -> Iterator[Hand]:
    """Return msgpack's and, where it is installed, msgspec's way: the fields as a tuple, or all of a frame."""
    functions: dict[str, tuple[Any, Any]] = {
        MSGPACK: (msgpack.Packer(use_bin_type=True).pack, msgpack.unpackb),
    }
    if msgspec is not None:
        functions[MSGSPEC] = (msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode)
    for name, (encode, decode) in functions.items():
        if pack is not None:
            yield Hand(name, f"pack(({pack}))", {**names, "pack": encode})
        if unpack is not None:
            yield Hand(name, f"unpack({unpack})", {**names, "unpack": decode})


def _typed_request_hand() -> Iterator[Hand]:
    """Return msgspec at its best: a declared type, the arguments left encoded, as our own decoder leaves them."""
    if msgspec is None:
        return
    fields = [("version", int), ("session", int), ("request_id", int), ("name", str), ("account", str), ("ttl_ms", int)]
    request = msgspec.defstruct("Request", [*fields, ("args", msgspec.Raw)], array_like=True, frozen=True, gc=False)
    names = {"decode": msgspec.msgpack.Decoder(request).decode, "frame": frames.ORDER.frame}
    yield Hand(f"{MSGSPEC}, typed", "decode(frame)", names)


def codec_operations() -> tuple[Operation, ...]:
    """Requests and replies there and back."""
    reply: Names = {"request_id": 2**62, "quote": _QUOTE, "stamps": _STAMPS, "result": plain_codec.pack(_QUOTE)}
    reply["frame"] = plain_codec.encode_reply(reply["request_id"], 0, reply["result"], _STAMPS)
    return (
        Operation(
            "encode a request, order_send",
            (
                *_in_both("encode_request", _REQUEST_FIELDS, _REQUEST_NAMES),
                *_library_hands(f"1, {_REQUEST_FIELDS}", None, _REQUEST_NAMES),
            ),
        ),
        Operation(
            "decode a request, order_send",
            (
                *_in_both("decode_request", "frame", _REQUEST_NAMES),
                *_library_hands(None, "frame", _REQUEST_NAMES),
                *_typed_request_hand(),
            ),
        ),
        Operation(
            "encode a reply, a quote",
            (
                *_in_both("encode_reply", "request_id, 0, result, stamps", reply),
                *_library_hands("1, request_id, 0, quote, stamps", None, reply),
            ),
        ),
        Operation(
            "decode a reply, a quote",
            (*_in_both("decode_reply", "frame", reply), *_library_hands(None, "frame", reply)),
        ),
    )


# The reply cache

_CACHE_ENTRIES: Final = 1_000
_FOREVER_NS: Final = 2**62


def cache_operations() -> tuple[Operation, ...]:
    """A hit, and a put into a full cache, which forgets its oldest entry; keys and results as the broker has them."""
    keys = [plain_codec.pack([frames.ACCOUNT, "symbol_spec", [f"SYMBOL{n}"]]) for n in range(2 * _CACHE_ENTRIES)]
    spec = frames.null_results()["symbol_spec"]
    caches = {OURS: ReplyCache(_CACHE_ENTRIES), PLAIN: PlainCache(_CACHE_ENTRIES)}
    if not COMPILED:
        del caches[PLAIN]
    gets, puts = [], []
    for name, cache in caches.items():
        for key in keys:
            cache.put(key, spec, 0, _FOREVER_NS)
        # A copy of the key: a request brings its own bytes, whose hash isn't known yet.
        names = {"get": cache.get, "key": bytes(bytearray(keys[-1])), "now_ns": 10**15}
        gets.append(Hand(name, "get(key, now_ns)", names))
        filled = type(cache)(_CACHE_ENTRIES)
        names = {"put": filled.put, "next": next, "keys": cycle(keys), "spec": spec, "now_ns": 10**15}
        puts.append(Hand(name, f"put(next(keys), spec, now_ns, {_FOREVER_NS // 2})", names))
    gets.append(Hand("dict.get alone", "get(key)", {"get": dict.fromkeys(keys, spec).get, "key": keys[-1]}))
    against = PLAIN if COMPILED else ""
    return (
        Operation("reply cache, a hit", tuple(gets), against),
        Operation(f"reply cache, a put into {_CACHE_ENTRIES:,} entries", tuple(puts), against),
    )


# Ticks


def tick_operations() -> tuple[Operation, ...]:
    """A tick's frame, and a batch of a thousand ticks against the lists that msgpack alone would make of them."""
    ticks = sample_ticks()
    lists = ticks.tolist()
    names: Names = {
        "topic": topic_for(FEED, SYMBOL),
        "epoch": 10**18,
        "sequence": 1_000_000,
        "msc": int(ticks["time_msc"][0]),
        "now_ns": 10**15,
        "record": ticks[:1].tobytes(),
        "tick": lists[0],
        "frombuffer": np.frombuffer,
        "dtype": TICK_DTYPE,
    }
    heading = "epoch, sequence, [msc, 0], now_ns"
    batch = our_codec.encode_ticks(
        names["topic"], names["epoch"], names["sequence"], names["msc"], 0, names["now_ns"], ticks.tobytes()
    )
    as_lists = msgpack.packb([names["epoch"], names["sequence"], [names["msc"], 0], names["now_ns"], lists])
    decoded = _in_both("decode_ticks", "frame", {**names, "frame": batch})
    return (
        Operation(
            "encode a tick's frame",
            (
                *_in_both("encode_ticks", "topic, epoch, sequence, msc, 0, now_ns, record", names),
                *_library_hands(f"{heading}, tick", None, names),
            ),
            cost_ns=ENCODE_TICK_NS,
        ),
        Operation(
            f"decode a batch of {BATCH:,} ticks",
            (
                *(Hand(hand.name, f"frombuffer({hand.statement}[6], dtype)", hand.names) for hand in decoded),
                *_library_hands(None, "frame", {"frame": as_lists}),
            ),
            faster=DECODE_BATCH,
        ),
    )

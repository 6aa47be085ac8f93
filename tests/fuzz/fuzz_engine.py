"""Feed the engine and the codecs bytes that no honest peer sends, for as long as asked: `fuzz_engine.py SECONDS SEED`.

The engine must answer or count every frame, raise for none, and keep its bounds. The compiled codec, where there is
one, must accept and refuse exactly what the reference does. A failure prints its round's seed; `fuzz_engine.py 0 SEED`
runs that round alone.
"""

import random
import sys
import time

from gateway.accel import COMPILED, ReplyCache
from gateway.accel import codec as chosen
from gateway.core.accounts import AccountRules
from gateway.core.engine import Engine, Limits
from gateway.wire import codec as reference
from gateway.wire.calls import CALLS
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.messages import Goodbye, Ready

NAMES = [*CALLS, "nonsense", "", "order_send", "order_send"]
PROOF = {"login": 1, "server": "s", "path": "p", "trade_mode": 0}
ORDERS = (
    {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0},
    {"action": 8, "order": 5},
    {"action": 1, "position": 7, "volume": 0.1},
    {"action": -1},
    {},
)


def value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(9 if depth < 4 else 6)
    match kind:
        case 0:
            return chance.choice((None, True, False))
        case 1:
            return chance.choice((0, 1, -1, 127, 128, -33, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)))
        case 2:
            return chance.choice((0.0, -1.5, float("inf"), float("nan"), 1e300))
        case 3:
            return chance.choice(("", "EURUSD", "x" * 70, "é", "\0"))
        case 4:
            return chance.randbytes(chance.randrange(40))
        case 5:
            return chance.choice(NAMES)
        case 6:
            return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
        case 7:
            return {chance.choice(("a", "action", "position", "symbol")): value(chance, depth + 1)}
        case _:
            return chance.choice(ORDERS)


def mutated(chance: random.Random, frame: bytes) -> bytes:
    """The frame, most often untouched, else with bytes changed, cut, doubled or spliced in."""
    if chance.random() < 0.6:
        return frame
    data = bytearray(frame)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                data[at % len(data)] = chance.randrange(256)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                data[at:at] = data[: chance.randrange(12)]
            case _:
                data[at : at + 5] = chance.choice((b"\xdd\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"\x91" * 20))
    return bytes(data)


def request(chance: random.Random, tokens: list[int]) -> bytes:
    token = chance.choice([*tokens, 0, 2**63, 5]) if tokens else 0
    name = chance.choice(NAMES) if tokens else "hello"
    if name == "hello":
        args: list[object] = [
            chance.choice(("a", "b", "", 5)),
            chance.choice(({}, {"account": "demo"}, {"account": 7}, 3)),
        ]
        token = 0
    elif name == "order_send":
        args = [chance.choice(ORDERS)]
    else:
        args = [value(chance) for _ in range(chance.randrange(3))]
    kwargs = {"symbol": value(chance)} if chance.random() < 0.2 else None
    account = chance.choice(("", "", "demo", "other", "nobody"))
    return reference.encode_request(
        token, chance.randrange(1, 50), name, account, chance.choice((0, 1, 50, 86_400_000)), args, kwargs
    )


def worker_frame(chance: random.Random, calls: list[tuple[int, int]]) -> bytes:
    name = chance.choice(("w1", "w2"))
    generation, call_id = chance.choice(calls) if calls else (1, 1)
    if chance.random() < 0.1:
        generation, call_id = chance.randrange(1, 4), chance.randrange(1, 2**40)
    match chance.randrange(6):
        case 0:
            lanes = chance.choice((("trade",), ("query", "watch"), ("trade", "watch", "query"), ("nonsense",)))
            epoch, credit = chance.randrange(1, 5), chance.choice((1, 2, 60_000))
            proof = chance.choice((PROOF, PROOF, {}, {"login": "x"}, {**PROOF, "trade_mode": 2}))
            return reference.encode_ready(
                Ready(name, epoch, "demo", lanes, credit, proof, chance.random() < 0.8, "why")
            )
        case 1:
            return reference.encode_heartbeat(name, chance.randrange(1, 5))
        case 2:
            return reference.encode_begun(generation, call_id)
        case 3:
            return reference.encode_goodbye(Goodbye(name, chance.randrange(1, 5), "end"))
        case _:
            result = chosen.pack(value(chance))
            wait_ns, call_ns = chance.choice((0, 2**40, 2**64 - 1)), chance.choice((0, 5, 2**63))
            return reference.encode_return(generation, call_id, chance.randrange(5), wait_ns, call_ns, result)


def play(seed: int) -> int:
    """One round: an engine of its own and some hundred bursts; returns the number of frames."""
    chance = random.Random(seed)
    limits = Limits(max_sessions=4, max_queued=8, max_queued_per_session=6)
    engine = Engine(
        generation=2,
        version="fuzz",
        accounts=(AccountRules(name="demo", mode="demo"), AccountRules(name="other", mode="real", allow_real=True)),
        limits=limits,
        codec=chosen,
        cache=ReplyCache(16),
        quotes=None,
        token_seed=seed,
    )
    now_ns = 1_000_000_000
    tokens: list[int] = []
    calls: list[tuple[int, int]] = []
    frames = 0
    for _ in range(chance.randrange(20, 200)):
        now_ns += chance.choice((0, 1_000, 10_000_000, 1_000_000_000, 40_000_000_000))
        clients = [
            (
                chance.choice((b"c1", b"c2", b"c3")),
                mutated(chance, request(chance, tokens)) if chance.random() < 0.98 else None,
            )
            for _ in range(chance.randrange(6))
        ]
        workers = [
            (
                chance.choice((b"x1", b"x2")),
                mutated(chance, worker_frame(chance, calls)) if chance.random() < 0.98 else None,
            )
            for _ in range(chance.randrange(6))
        ]
        frames += len(clients) + len(workers)
        engine.receive_clients(now_ns, list(clients))
        engine.receive_workers(now_ns, list(workers))
        if now_ns >= engine.next_deadline_ns():
            engine.tick(now_ns)
        to_clients, to_workers = engine.flush(now_ns)
        for _identity, frame in to_clients:
            reply = reference.decode_reply(frame)
            if isinstance(reply.result, dict) and "session" in reply.result and reply.request_id:
                tokens = [*tokens[-5:], reply.result["session"]]
        for _identity, frame in to_workers:
            if reference.worker_kind(frame) == 4:
                call = reference.decode_call(frame)
                calls = [*calls[-20:], (call.generation, call.call_id)]
        if to_workers and chance.random() < 0.1:
            engine.undeliverable_workers(now_ns, [chance.randrange(len(to_workers))])
        if to_clients and chance.random() < 0.1:
            engine.undeliverable_clients(now_ns, [chance.randrange(len(to_clients))])
        if COMPILED:
            for _identity, frame in (*clients, *workers):
                if frame is not None:
                    compare(frame)
    engine.shutdown(now_ns)
    engine.flush(now_ns)
    engine.statistics(now_ns)
    return frames


def verdict(module: object, name: str, frame: bytes) -> object:
    try:
        return repr(getattr(module, name)(frame))
    except RemoteProtocolError as error:
        return int(error.code), error.detail.get("request_id")


def compare(frame: bytes) -> None:
    """Both codecs say the same of a frame: the same value, or a refusal with the same code."""
    for name in ("unpack", "worker_kind", "decode_begun"):
        expected, found = verdict(reference, name, frame), verdict(chosen, name, frame)
        assert expected == found, f"{name}({frame.hex()}): reference {expected}, compiled {found}"
    for name in ("decode_request", "decode_return", "decode_reply"):
        expected, found = verdict(_Plain, name, frame), verdict(chosen, name, frame)
        assert expected == found, f"{name}({frame.hex()}): reference {expected}, compiled {found}"


class _Plain:
    """The reference with plain tuples for its named ones, as the compiled codec returns them."""

    @staticmethod
    def decode_request(frame: bytes) -> object:
        return tuple(reference.decode_request(frame))

    @staticmethod
    def decode_return(frame: bytes) -> object:
        return tuple(reference.decode_return(frame))

    @staticmethod
    def decode_reply(frame: bytes) -> object:
        request_id, status, result, stamps = reference.decode_reply(frame)
        return request_id, status, result, tuple(stamps) if stamps is not None else None


def main() -> int:
    """Play rounds until the time is over."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    end = time.monotonic() + seconds
    rounds = frames = 0
    while True:
        try:
            frames += play(seed + rounds)
        except BaseException:
            print(f"failed: fuzz_engine.py 0 {seed + rounds}", file=sys.stderr)
            raise
        rounds += 1
        if time.monotonic() >= end:
            break
    print(
        f"engine and codec ({'compiled' if COMPILED else 'interpreted'}): {frames:,} frames in {rounds:,} rounds, clean"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

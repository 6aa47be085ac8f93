"""Orders with ids, journal and every limit: there and back, many in flight, at a steady rate, and refused."""

import time
from functools import partial

from bench import frames
from bench.chains import Chains, LoadClient, as_contenders, ask_once
from bench.context import Context, Entry, Transport
from bench.floors import Failed
from bench.limits import everything_on, refusing
from bench.roundtrip import ORDER_WORKERS
from bench.runner import Contender, Result, Target, interleave

__all__ = ("ENTRIES", "RATE", "STAMPS_OFFSET", "warm")

ROUND_TRIP_P50 = Target("<=", 1.15)
ROUND_TRIP_P99 = Target("<=", 1.4)
PIPELINED = Target(">=", 0.25)
RESIDENCE_P50 = Target("<=", 10_000)
RESIDENCE_P99 = Target("<=", 40_000)
REFUSAL_P50 = Target("<=", 1.2)

WINDOW = 256
MANY_AT_ONCE = ((("trade",), WINDOW), (("watch", "query"), 1))
RATE = 5_000
REFUSED = 2
"""The status of a refusal."""

STAMPS_OFFSET = str(frames.REPLY_ID_OFFSET + 9 + len(frames.null_results()["order_send"]))
"""Where an answered order's stamps stand: behind the id, the status and the result."""

_WARM_S = 10.0
"""How long it may take until the terminal has shown its account, and what a symbol is worth."""


def warm(endpoint: str) -> bytes:
    """Ask until the gateway knows what its limits need, for until then it refuses; return its reply to an order."""
    deadline = time.monotonic() + _WARM_S
    while True:
        try:
            return ask_once(endpoint, frames.ORDER)
        except Failed:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def limited(context: Context, transport: Transport) -> Result:
    """Closed loop: an order against client, zmq_proxy and worker in C."""
    with Chains(context, transport, frames.ORDER) as chains:
        gateway = chains.gateway(ORDER_WORKERS, **everything_on(context.scratch))
        reply = warm(gateway.endpoint)
        clients = {
            "zmq_proxy": chains.proxy_floor("zmq_proxy", reply),
            "zmq_proxy again": chains.proxy_floor("zmq_proxy again", reply),
            "gateway": chains.gateway_client("gateway", gateway.endpoint),
        }
        count, rounds = context.pick((400, 12), (1_500, 36))
        measured = interleave(as_contenders(clients, count), rounds)
        result = Result(f"limits-{transport}", f"Order round trip with every limit set, {transport}", measured)
        result.compare("p50", "gateway", "zmq_proxy", "zmq_proxy again", ROUND_TRIP_P50)
        result.compare("p99", "gateway", "zmq_proxy", "zmq_proxy again", ROUND_TRIP_P99)
        result.notes.append(f"Request {len(frames.ORDER.frame)} bytes, reply {len(reply)} bytes; one in flight.")
        return result


def pipelined(context: Context) -> Result:
    """Keep 256 orders in flight, all limits set; the rate, against zmq_proxy in C."""
    with Chains(context, "ipc", frames.ORDER) as chains:
        gateway = chains.gateway(MANY_AT_ONCE, **everything_on(context.scratch))
        reply = warm(gateway.endpoint)
        clients = {
            "zmq_proxy": chains.proxy_floor("zmq_proxy", reply),
            "zmq_proxy again": chains.proxy_floor("zmq_proxy again", reply),
            "gateway": chains.gateway_client("gateway", gateway.endpoint),
        }
        count, rounds = context.pick((5_000, 12), (20_000, 24))
        measured = interleave(as_contenders(clients, count, WINDOW), rounds)
        result = Result("orders-pipelined", f"Pipelined orders, ipc: {WINDOW} in flight, every limit set", measured)
        result.compare("rate", "gateway", "zmq_proxy", "zmq_proxy again", PIPELINED)
        result.notes.append("The worker holds 256 calls at once; a terminal's holds one.")
        return result


def residence(context: Context) -> Result:
    """Send 5,000 orders a second at planned times; how long each stays in the broker, by its stamps."""
    with Chains(context, "ipc", frames.ORDER) as chains:
        bare = chains.gateway(MANY_AT_ONCE)
        full = chains.gateway(MANY_AT_ONCE, **everything_on(context.scratch))
        ask_once(bare.endpoint, frames.ORDER)
        warm(full.endpoint)
        stamps = ("--stamps-offset", STAMPS_OFFSET)
        clients = {
            "every limit": chains.gateway_client("every limit", full.endpoint, *stamps),
            "no limit": chains.gateway_client("no limit", bare.endpoint, *stamps),
        }
        seconds, rounds = context.pick((0.4, 8), (2.0, 24))
        contenders = [_residence(name, client, int(RATE * seconds)) for name, client in clients.items()]
        measured = interleave(contenders, rounds)
        result = Result("residence", f"An order's time in the broker at {RATE:,} a second, ipc", measured)
        for name in clients:
            result.state("p50", name, RESIDENCE_P50)
            result.state("p99", name, RESIDENCE_P99)
        result.notes.append("From the stamp when the broker takes up what has arrived to the one when it hands it on.")
        return result


def _residence(name: str, client: LoadClient, count: int) -> Contender:
    return Contender(name, lambda: client.residence(count, RATE))


def refusal(context: Context) -> Result:
    """Closed loop: an order that a limit refuses, against client and echo in C."""
    with Chains(context, "ipc", frames.ORDER) as chains:
        gateway = chains.gateway(ORDER_WORKERS, **refusing(context.scratch))
        reply = ask_once(gateway.endpoint, frames.ORDER, status=REFUSED)
        status = ("--status", str(REFUSED))
        clients = {
            "echo": chains.echo_floor("echo", reply, *status),
            "echo again": chains.echo_floor("echo again", reply, *status),
            "gateway": chains.gateway_client("gateway", gateway.endpoint, *status),
        }
        count, rounds = context.pick((400, 12), (1_500, 36))
        measured = interleave(as_contenders(clients, count), rounds)
        result = Result("refusal", "An order that a limit refuses, ipc", measured)
        result.compare("p50", "gateway", "echo", "echo again", REFUSAL_P50)
        result.compare("p99", "gateway", "echo", "echo again")
        result.notes.append(f"Request {len(frames.ORDER.frame)} bytes, reply {len(reply)} bytes on both sides.")
        return result


ENTRIES = (
    Entry("limits-ipc", "order round trip with every limit / zmq_proxy", partial(limited, transport="ipc")),
    Entry("limits-tcp", "order round trip with every limit / zmq_proxy", partial(limited, transport="tcp")),
    Entry("orders-pipelined", "rate of orders with every limit, 256 in flight / zmq_proxy", pipelined),
    Entry("residence", "an order's time in the broker at 5,000 a second", residence),
    Entry("refusal", "an order that a limit refuses / echo", refusal),
)

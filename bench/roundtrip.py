"""Round trips: an order through the broker, and a read that the broker answers itself, each against its floor in C."""

from functools import partial

from bench import frames
from bench.chains import Chains, LoadClient, as_contenders, ask_once
from bench.context import Context, Entry, Transport
from bench.runner import Result, Target, interleave

__all__ = ("ENTRIES",)

ROUND_TRIP_P50 = Target("<=", 1.15)
ROUND_TRIP_P99 = Target("<=", 1.3)
CACHED_P50 = Target("<=", 1.15)

ORDER_WORKERS = ((("trade",), 1), (("watch", "query"), 1))
"""One call at a time on the trade lane, as a terminal has it; whatever else the broker asks has a worker of its own."""


def order(context: Context, transport: Transport) -> Result:
    """Closed loop: order_send to a null worker with one credit, against client, zmq_proxy and worker in C."""
    with Chains(context, transport, frames.ORDER) as chains:
        gateway = chains.gateway(ORDER_WORKERS)
        reply = ask_once(gateway.endpoint, frames.ORDER)
        clients = {
            "zmq_proxy": chains.proxy_floor("zmq_proxy", reply),
            "zmq_proxy again": chains.proxy_floor("zmq_proxy again", reply),
            "gateway": chains.gateway_client("gateway", gateway.endpoint),
        }
        return _compare(
            context,
            f"order-{transport}",
            f"Order round trip, {transport}: client → gateway → null worker and back",
            clients,
            {"p50": ROUND_TRIP_P50, "p99": ROUND_TRIP_P99},
            [
                f"Request {len(frames.ORDER.frame)} bytes, reply {len(reply)} bytes on both sides; one in flight.",
                "The gateway's worker announces each order with BEGUN, a message more than the floor's worker sends.",
            ],
        )


def cached(context: Context, transport: Transport) -> Result:
    """Closed loop: symbol_spec out of the broker's reply cache, against client and echo in C."""
    with Chains(context, transport, frames.SPEC) as chains:
        gateway = chains.gateway(ORDER_WORKERS)
        reply = ask_once(gateway.endpoint, frames.SPEC)
        clients = {
            "echo": chains.echo_floor("echo", reply),
            "echo again": chains.echo_floor("echo again", reply),
            "gateway": chains.gateway_client("gateway", gateway.endpoint),
        }
        return _compare(
            context,
            f"cached-{transport}",
            f"Cached read, {transport}: symbol_spec answered from the broker's reply cache",
            clients,
            {"p50": CACHED_P50, "p99": None},
            [f"Request {len(frames.SPEC.frame)} bytes, reply {len(reply)} bytes on both sides; one in flight."],
        )


def floors(context: Context, transport: Transport) -> Result:
    """Closed loop: the floors alone, which need no gateway: what echo and zmq_proxy cost on this machine."""
    with Chains(context, transport, frames.ORDER) as chains:
        clients = {
            "echo": chains.echo_floor("echo", None),
            "echo again": chains.echo_floor("echo again", None),
            "zmq_proxy": chains.proxy_floor("zmq_proxy", None),
        }
        count, rounds = context.pick((300, 9), (1_000, 24))
        measured = interleave(as_contenders(clients, count), rounds)
        result = Result(f"floor-{transport}", f"The floors, {transport}: echo, and zmq_proxy before it", measured)
        result.compare("p50", "zmq_proxy", "echo", "echo again")
        result.notes.append(f"{len(frames.ORDER.frame)} bytes there and back; one in flight.")
        return result


def _compare(
    context: Context,
    name: str,
    title: str,
    clients: dict[str, LoadClient],
    targets: dict[str, Target | None],
    notes: list[str],
) -> Result:
    """Measure the first (the floor), the second (the same again) and the third (ours) in turn, and compare."""
    count, rounds = context.pick((400, 12), (1_500, 36))
    floor, same, ours = clients
    measured = interleave(as_contenders(clients, count), rounds)
    result = Result(name, title, measured, notes=notes)
    result.compare("p50", ours, floor, same, targets["p50"])
    result.compare("p99", ours, floor, same, targets["p99"])
    return result


ENTRIES = tuple(
    Entry(f"{name}-{transport}", title, partial(run, transport=transport))
    for name, title, run in (
        ("floor", "echo and zmq_proxy in C", floors),
        ("order", "order round trip / zmq_proxy", order),
        ("cached", "cached read / echo", cached),
    )
    for transport in ("ipc", "tcp")
)

"""Throughput with many requests in flight, and latency at a steady rate: the gateway, its floor in C, its rival."""

from bench import frames
from bench.chains import Chains, LoadClient, as_contenders, ask_once
from bench.context import Context, Entry
from bench.runner import Contender, Result, Target, interleave

__all__ = ("ENTRIES",)

WINDOW = 256
WORKERS = ((("query",), WINDOW), (("trade", "watch"), 1))

OF_FLOOR = Target(">=", 0.3)
OF_RIVAL = Target(">=", 2.5)


def pipelined(context: Context) -> Result:
    """Keep 256 requests in flight; the rate, against zmq_proxy in C and against the rival in Python."""
    with Chains(context, "ipc", frames.QUERY) as chains:
        gateway = chains.gateway(WORKERS)
        reply = ask_once(gateway.endpoint, frames.QUERY)
        rival = chains.rival(WORKERS)
        clients = {
            "zmq_proxy": chains.proxy_floor("zmq_proxy", reply),
            "zmq_proxy again": chains.proxy_floor("zmq_proxy again", reply),
            "gateway": chains.gateway_client("gateway", gateway.endpoint),
            "rival": chains.gateway_client("rival", rival),
        }
        count, rounds = context.pick((10_000, 12), (50_000, 24))
        measured = interleave(as_contenders(clients, count, WINDOW), rounds)
        result = Result("pipelined", f"Pipelined reads, ipc: symbol_info with {WINDOW} in flight", measured)
        result.compare("rate", "gateway", "zmq_proxy", "zmq_proxy again", OF_FLOOR)
        result.compare("rate", "gateway", "rival", None, OF_RIVAL)
        result.notes.append(f"Request {len(frames.QUERY.frame)} bytes, reply {len(reply)} bytes on all sides.")
        result.notes.append("Latencies here are those of a full pipeline: queueing, by design.")
        return result


def steady(context: Context) -> Result:
    """Send at planned times; latency from the planned send, for each rate and contender."""
    with Chains(context, "ipc", frames.QUERY) as chains:
        gateway = chains.gateway(WORKERS)
        reply = ask_once(gateway.endpoint, frames.QUERY)
        clients = {
            "zmq_proxy": chains.proxy_floor("zmq_proxy", reply),
            "gateway": chains.gateway_client("gateway", gateway.endpoint),
            "rival": chains.gateway_client("rival", chains.rival(WORKERS)),
        }
        seconds, rounds = context.pick((0.25, 4), (1.0, 8))
        rates = context.pick((1_000, 10_000), (1_000, 10_000, 20_000, 50_000))
        measured = []
        for rate in rates:
            contenders = [_at_rate(name, client, rate, seconds) for name, client in clients.items()]
            measured += interleave(contenders, rounds)
        result = Result("steady", "Latency at a steady rate, ipc: symbol_info, from the planned send", measured)
        for rate in rates:
            result.compare("p50", f"gateway at {rate}/s", f"zmq_proxy at {rate}/s", None)
        result.notes.append("A contender that can't keep up shows it: its delay grows through the block.")
        return result


def _at_rate(name: str, client: LoadClient, rate: int, seconds: float) -> Contender:
    return Contender(f"{name} at {rate}/s", lambda: client.open(int(rate * seconds), rate))


ENTRIES = (
    Entry("pipelined", "rate with 256 in flight / zmq_proxy, / rival in Python", pipelined),
    Entry("steady", "latency at a steady rate, timed from the planned send", steady),
)

"""The commands that watch: ticks as they come, and the gateway's own statistics."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway import config
from gateway.cli import common, tables
from gateway.cli.chronicle import printable
from gateway.cli.common import AccountOption, EndpointOption, JsonOption, TimeoutOption, say
from gateway.config.endpoints import ipc_path
from gateway.wire import constants as mt5
from gateway.wire.errors import GatewayError, NoReply, TerminalRefused, Unavailable
from gateway.wire.structs import TICK_DTYPE

if TYPE_CHECKING:
    from clients import Client, Gap, TickStream
    from clients.ticks import Batch

__all__ = ("add_commands",)

CONNECT_S: Final = 3.0
"""How long the publisher may take to be there."""

TICK_PORT_OFFSET: Final = 2
"""With `tcp_port`, ticks are two ports behind the clients' own."""

MAX_PROBES: Final = 1_000_000

_FLAGS: Final = (
    (mt5.TICK_FLAG_BID, "bid"),
    (mt5.TICK_FLAG_ASK, "ask"),
    (mt5.TICK_FLAG_LAST, "last"),
    (mt5.TICK_FLAG_VOLUME, "volume"),
    (mt5.TICK_FLAG_BUY, "buy"),
    (mt5.TICK_FLAG_SELL, "sell"),
)


def ticks(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(metavar="SYMBOL", help="Symbols; none: all that anybody is listening to."),
    ] = None,
    count: Annotated[
        int,
        typer.Option(
            "--count", "-n", metavar="N", min=0, help="Stop after N ticks (with --batch: batches).", show_default=False
        ),
    ] = 0,
    by_batch: Annotated[bool, typer.Option("--batch", help="A line for each batch, as it was published.")] = False,
    tick_endpoint: Annotated[
        str,
        typer.Option(
            "--tick-endpoint",
            metavar="ADDRESS",
            help="Where the ticks are. Left out: MT5GATE_TICK_ENDPOINT, then where the gateway says.",
            show_default=False,
        ),
    ] = "",
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Stream ticks until Ctrl-C. Times are the trade server's own clock.

    \b
    Ticks are numbered; if some were missed, a line on standard error says how
    many. --timeout is how long to wait for a tick; left out: for ever.

    \b
    Examples:
      mt5gate ticks EURUSD
      mt5gate ticks EURUSD USDJPY --count 100 --json > ticks.jsonl
      mt5gate ticks EURUSD | head
      mt5gate ticks --batch
    """
    try:
        with common.connected(endpoint, account, timeout) as client:
            digits = {symbol: _digits(client, symbol) for symbol in symbols or ()}
            place = tick_endpoint or config.named_tick_endpoint() or _reachable(endpoint, client.welcome)
            options = {"endpoint": place} if place else {}
            stream = client.tick_stream(*(symbols or ["*"]), timeout=timeout, on_gap=_tell_gap, **options)
        with stream:
            _print_ticks(stream, _Form(as_json, by_batch, digits), count, timeout)
    except KeyboardInterrupt:
        return


def _digits(client: "Client", symbol: str) -> int | None:
    """Return a symbol's digits, None if nobody can say: ticks need no worker of the order plane.

    Raises TerminalRefused for a symbol that the terminal doesn't know.
    """
    try:
        known = client.symbol_info(symbol)
    except GatewayError:
        return None
    if known is None:
        raise TerminalRefused(f"{symbol}: no such symbol; see `mt5gate symbols`")
    return known.digits


def _reachable(endpoint: str, welcome: Mapping[str, Any]) -> str:
    """Return the tick address to use instead of the one the gateway names, "" if that will do.

    A gateway at the other end of an SSH tunnel names a socket of its own host: its tcp ports stand in a row.
    """
    path = ipc_path(str(welcome.get("tick_endpoint", "")))
    host, _, port = (endpoint or config.gateway_endpoint()).rpartition(":")
    if path and host.startswith("tcp://") and port.isdigit() and not os.path.exists(path):
        return f"{host}:{int(port) + TICK_PORT_OFFSET}"
    return ""


def _tell_gap(gap: "Gap") -> None:
    what = "the publisher was restarted" if gap.new_epoch else f"{gap.missed} ticks were missed"
    print(f"mt5gate: {gap.symbol}: {what}", file=sys.stderr)


def _print_ticks(stream: "TickStream", form: "_Form", count: int, timeout: float | None) -> None:
    printed = 0
    batch = _first_batch(stream, timeout)
    while True:
        lines = form.lines(batch)
        if count:
            lines = lines[: count - printed]
        say("\n".join(lines))
        sys.stdout.flush()
        printed += len(lines)
        if count and printed >= count:
            return
        batch = stream.recv_batch(timeout)


def _first_batch(stream: "TickStream", timeout: float | None) -> "Batch":
    """Wait for the first ticks: as long as it takes, if there is a publisher at all."""
    try:
        return stream.recv_batch(min(CONNECT_S, timeout or CONNECT_S))
    except NoReply as error:
        if not stream.statistics().connected:
            raise Unavailable(error.message) from None
        return stream.recv_batch(timeout)


class _Form:
    """How ticks are printed: text or JSON, a line for each or one for each batch."""

    def __init__(self, as_json: bool, by_batch: bool, digits: Mapping[str, int | None]) -> None:
        self._as_json = as_json
        self._by_batch = by_batch
        self._digits = digits

    def lines(self, batch: "Batch") -> list[str]:
        """Return a batch's lines."""
        if not self._by_batch:
            one = self._json if self._as_json else self._text
            return [one(batch.symbol, batch.first_seq + index, row) for index, row in enumerate(batch.ticks.tolist())]
        if self._as_json:
            return [tables.json_line({"symbol": batch.symbol, "first_seq": batch.first_seq, "ticks": batch.ticks})]
        size = len(batch.ticks)
        return [f"{self._text(batch.symbol, batch.first_seq + size - 1, batch.ticks[-1].item())}  batch of {size}"]

    def _json(self, symbol: str, seq: int, row: tuple[Any, ...]) -> str:
        return tables.json_line({"symbol": symbol, "seq": seq, **dict(zip(TICK_DTYPE.names or (), row, strict=True))})

    def _text(self, symbol: str, seq: int, row: tuple[Any, ...]) -> str:
        _time, bid, ask, last, _volume, time_msc, flags, _volume_real = row
        digits = self._digits.get(symbol)
        prices = " ".join(f"{tables.price(value, digits):>12}" for value in ((bid, ask, last) if last else (bid, ask)))
        changed = " ".join(name for flag, name in _FLAGS if flags & flag)
        return f"{tables.server_time_msc(time_msc)}  {symbol:<12} {prices}  {seq:>8}  {changed}"


# --- statistics -------------------------------------------------------------------------------------------------------


def stats(
    probe: Annotated[
        int,
        typer.Option(
            "--probe",
            metavar="N",
            min=0,
            max=MAX_PROBES,
            help="Measure, too: N pings and N reads, one after the other.",
            show_default=False,
        ),
    ] = 0,
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show how the gateway is: workers, sessions, queues, cache, latencies.

    \b
    The latencies are those of all requests since the gateway's start that a
    worker answered. --probe measures from here: where a round trip's time
    goes, from the stamps of each reply.

    \b
    Examples:
      mt5gate stats
      mt5gate stats --probe 1000
      mt5gate stats --json | jq .workers
    """
    with common.connected(endpoint, account, timeout) as client:
        probes = {name: _probe(client, name, probe) for name in ("ping", "account_info")} if probe else {}
        found = client.stats()
    if as_json:
        say(tables.json_line(found | ({"probe": probes} if probes else {})))
        return
    say("\n".join(_sections(found)))
    for name, stages in probes.items():
        say("\n" + _stages_table(f"{probe} × {name}, one after the other", stages))


def _probe(client: "Client", name: str, count: int) -> dict[str, dict[str, int]]:
    """Make `count` calls and return each stage's percentiles in ns; a stage that some calls skipped counts fewer."""
    durations: dict[str, list[int]] = {}
    for _ in range(count):
        pending = client.submit(name)
        pending.result()
        for stage, duration_ns in pending.timing().items():
            durations.setdefault(stage, []).append(duration_ns)
    return {stage: _summary(sorted(values)) for stage, values in durations.items()}


def _summary(values: list[int]) -> dict[str, int]:
    """Return the percentiles of sorted durations, as the broker's histograms name them: the nearest rank."""

    def percentile(per_mille: int) -> int:
        return values[max(0, -(-len(values) * per_mille // 1_000) - 1)]

    return {
        "count": len(values),
        "mean_ns": sum(values) // len(values),
        "p50_ns": percentile(500),
        "p99_ns": percentile(990),
        "p999_ns": percentile(999),
        "max_ns": values[-1],
    }


def _journal_line(journal: Mapping[str, Any]) -> str:
    """Say what stands against recording orders; "" for nothing."""
    exits, entries, by = journal.get("exits_refused"), journal.get("entries_refused"), journal.get("exits_allowed_by")
    if exits:
        return f"JOURNAL: {exits}; entries and exits are refused, see `mt5gate allow-exits --help`\n"
    allowed = f"; exits go unrecorded, says {printable(by)}" if by else "; exits go"
    return f"JOURNAL: {entries}; entries are refused{allowed}\n" if entries else ""


def _sections(found: Mapping[str, Any]) -> Iterable[str]:
    if line := _journal_line(found.get("journal", {})):
        yield line
    sessions, cache = found.get("sessions", {}), found.get("cache", {})
    yield tables.table(
        "version >generation up >sessions >peak >in_flight >unknown_orders >cached >hit_rate",
        [
            (
                found.get("version", ""),
                found.get("generation"),
                tables.duration(found.get("uptime_ns", 0)),
                sessions.get("live"),
                sessions.get("peak"),
                found.get("in_flight"),
                found.get("unknown"),
                cache.get("size"),
                _percent(cache.get("hit_rate")),
            )
        ],
        title="gateway",
    )
    yield tables.table(
        "account mode login server proven tradable reason",
        (
            (
                account.get("name", ""),
                account.get("mode", ""),
                str(account.get("login") or ""),
                account.get("server", ""),
                account.get("proven"),
                account.get("tradable"),
                account.get("reason", ""),
            )
            for account in found.get("accounts", ())
        ),
        title="accounts",
    )
    yield tables.table(
        "worker lanes condition >in_use >calls >errors >busy >lives >calls/life reason",
        (
            (
                worker.get("name", ""),
                " ".join(worker.get("lanes", ())),
                _condition(worker),
                f"{worker.get('used', 0)}/{worker.get('credit', 0)}",
                worker.get("calls"),
                worker.get("errors"),
                _percent(worker.get("utilisation")),
                worker.get("epochs_seen"),
                f"{worker.get('calls', 0) / max(1, worker.get('epochs_seen', 1)):.1f}",
                worker.get("reason", ""),
            )
            for worker in found.get("workers", ())
        ),
        title="workers",
    )
    yield tables.table(
        "account lane >workers >waiting >most_waiting",
        (
            (lane.get("account", ""), lane.get("lane", ""), lane.get("workers"), lane.get("depth"), lane.get("peak"))
            for lane in found.get("lanes", ())
        ),
        title="queues",
    )
    yield _stages_table("latency", found.get("stages", {}))
    counted = found.get("counters", {}) | {f"refused_{name}": n for name, n in found.get("refusals", {}).items()}
    yield tables.table(
        "counter >count",
        ((name.replace("_", " "), value) for name, value in counted.items() if value),
        title="counters",
    )


def _condition(worker: Mapping[str, Any]) -> str:
    """Return a worker's condition: `down` if it is there, but its terminal isn't, or isn't the one it must be."""
    condition = str(worker.get("condition", ""))
    return "down" if condition == "live" and not worker.get("proven", True) else condition


def _stages_table(title: str, stages: Mapping[str, Mapping[str, int]]) -> str:
    kept = ("mean_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns")
    return tables.table(
        "stage >count >mean >p50 >p99 >p99.9 >max",
        (
            (name.replace("_", " "), stage.get("count"), *(tables.duration(stage.get(key, 0)) for key in kept))
            for name, stage in stages.items()
            if stage.get("count")
        ),
        title=title,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.command("ticks")(ticks)
    app.command("stats")(stats)

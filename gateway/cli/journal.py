"""The commands that read the order journal: journal show, journal verify, order list, order status.

They read the state folder itself, ask no gateway and change nothing: they work beside one that runs, on one that can't
start, and on a copy. To say hello under a client's name would end the session of the strategy that has it.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Annotated, Final

import typer

from gateway import clock, config
from gateway.cli import tables
from gateway.cli.chronicle import Chronicle, Event, Story, answer_text, printable, request_text, utc
from gateway.cli.common import EXIT_REFUSED, EXIT_UNKNOWN, ConfigOption, JsonOption, say, show
from gateway.cli.trade import order_app
from gateway.core.orderids import birth_ms
from gateway.core.states import OrderState
from gateway.journalreader import JournalReader, examine
from gateway.wire.errors import ConfigError, JournalError, Status
from gateway.wire.retcodes import DONE, is_ambiguous

__all__ = ("add_commands",)

FOLLOW_PAUSE_S: Final = 0.2
"""How long --follow waits before it looks again."""

_AGE: Final = re.compile(r"([0-9]+) ?(s|m|h|d)")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

journal_app = typer.Typer(
    help="""Read or check the order journal, beside a running gateway or without one.

    \b
    Examples:
      mt5gate journal show --since 1h
      mt5gate journal verify
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

StateDirOption = Annotated[
    str,
    typer.Option(
        "--state-dir",
        metavar="FOLDER",
        help="The gateway's, or a copy. Left out: the configuration's.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since", metavar="TIME", help="Not before: 90s, 15m, 2h, 3d ago, or a time in UTC.", show_default=False
    ),
]
ClientOption = Annotated[str, typer.Option("--client", metavar="ID", help="Only of this client.", show_default=False)]


@journal_app.command("show")
def journal_show(
    client: ClientOption = "",
    order: Annotated[
        str,
        typer.Option("--order", metavar="ID", help="Only of the order with this client order id.", show_default=False),
    ] = "",
    since: SinceOption = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is being written.")] = False,
    file: ConfigOption = None,
    state_dir: StateDirOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the order journal's records, oldest first: what was accepted, sent, answered.

    \b
    Times are UTC, by the clock of the gateway's host. An order is named by the
    record that accepted it. What is no longer remembered is gone from here, too.

    \b
    Examples:
      mt5gate journal show
      mt5gate journal show --client scalper --since 15m
      mt5gate journal show --order 01JCXXW7T5M0V8QK3Z9R2B4N6D
      mt5gate journal show --follow --json | jq .what
      mt5gate journal show --state-dir /backup/mt5gate --since "2026-11-20 13:30"
    """
    folder, since_ns = _folder(file, state_dir), _since_ns(since)
    chronicle, reader = Chronicle(client, order), JournalReader(folder)
    tell: Callable[[Event], str] = Event.line
    if as_json:
        tell = _json_of_event
    else:
        say(Chronicle.HEADER)
    try:
        with _reading():
            while True:
                for event in _events(reader, chronicle):
                    if event.wall_ns >= since_ns:
                        say(tell(event))
                if not follow:
                    return
                sys.stdout.flush()
                sleep(FOLLOW_PAUSE_S)
    except KeyboardInterrupt:
        return


@journal_app.command("verify")
def journal_verify(file: ConfigOption = None, state_dir: StateDirOption = "", as_json: JsonOption = False) -> None:
    """Read the whole order journal, and say what is damaged, and where. Changes nothing.

    \b
    Exit status 0: a gateway would start on it. A record cut short at the very
    end is no damage: nobody was ever told of it, and the next start cuts it away.
    Exit status 1: it is damaged, or segments are missing; no gateway starts on it.

    \b
    Examples:
      mt5gate journal verify
      mt5gate journal verify --state-dir /backup/mt5gate --json
    """
    folder = _folder(file, state_dir)
    chronicle = Chronicle()
    rows = []
    is_sound = True
    with _reading():
        for path, records, end, problem, _ in examine(folder):
            try:
                for record in records:
                    chronicle.tell(record)
            except JournalError as error:
                problem = "; ".join(filter(None, [problem, error.message]))
            is_sound = is_sound and problem in ("", "torn")
            if problem == "torn":
                problem = f"cut short at byte {end}; the next start cuts it away"
            first, last = (records[0][0], records[-1][0]) if records else (None, None)
            rows.append((path.name, first, last, len(records), end, problem or "sound"))
    unsettled = sum(1 for story in chronicle.stories.values() if story.state <= OrderState.UNKNOWN)
    names = ("segment", "first", "last", "records", "bytes", "finding")
    show(
        as_json,
        [dict(zip(names, row, strict=True)) for row in rows],
        lambda: (
            tables.table("segment >first >last >records >bytes finding", rows, empty="the journal is empty")
            + f"{len(chronicle.stories)} orders, {unsettled} of them without a known fate;"
            + (" the journal is sound" if is_sound else " THE JOURNAL IS DAMAGED")
        ),
    )
    if not is_sound:
        raise typer.Exit(EXIT_REFUSED)


@order_app.command("list")
def order_list(
    client: Annotated[str, typer.Option("--client", metavar="ID", help="The client whose orders to list.")],
    since: SinceOption = "",
    file: ConfigOption = None,
    state_dir: StateDirOption = "",
    as_json: JsonOption = False,
) -> None:
    """List a client's orders and what is known of each, from the order journal.

    \b
    It reads the journal on this host and never speaks for the client: that
    would end the session of the strategy that uses the name. Times are UTC.
    An order that is sent, or unknown, may have been executed.

    \b
    Examples:
      mt5gate order list --client scalper
      mt5gate order list --client scalper --since 1d --json
    """
    folder, since_ns = _folder(file, state_dir), _since_ns(since)
    chronicle = _told(folder, client, "")
    found = [story for story in chronicle.stories.values() if story.accepted_ns >= since_ns]
    show(as_json, (story.to_json() for story in found), lambda: _orders_table(found))


@order_app.command("status")
def order_status(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="The client order id.")],
    client: ClientOption = "",
    file: ConfigOption = None,
    state_dir: StateDirOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell what became of an order, by its client order id, from the order journal.

    \b
    It reads the journal on this host and never speaks for the client: that
    would end the session of the strategy that uses the name.
    Exit status 0: done. 1: it didn't happen, or never reached this gateway.
    4: it may have happened: still under way, unknown, or too old to be remembered.

    \b
    Examples:
      mt5gate order status 01JCXXW7T5M0V8QK3Z9R2B4N6D
      mt5gate order status 01JCXXW7T5M0V8QK3Z9R2B4N6D --client scalper --json
    """
    born_ms = birth_ms(order_id)
    if born_ms < 0:
        raise typer.BadParameter(f"expected a client order id (a ULID, perhaps -label behind it), got {order_id!r}")
    chronicle = _told(_folder(file, state_dir), client, order_id)
    found = list(chronicle.stories.values())
    if not found:
        raise typer.Exit(_absent(order_id, born_ms, chronicle.horizon_ms))
    show(as_json, (story.to_json() for story in found), lambda: _orders_table(found))
    status = max(_exit_status(story) for story in found)
    if status:
        raise typer.Exit(status)


def _folder(file: Path | None, state_dir: str) -> Path:
    """Return the journal's folder; raises ConfigError if there is none."""
    state = Path(state_dir).expanduser() if state_dir else Path(config.load(file).state_dir)
    folder = state / "journal"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no order journal; expected --state-dir or the gateway's configuration")
    return folder


def _since_ns(text: str) -> int:
    """Return the moment that --since names; 0 for none."""
    if not text:
        return 0
    age = _AGE.fullmatch(text)
    if age is not None:
        return clock.wall_ns() - int(age[1]) * _UNITS_S[age[2]] * 1_000_000_000
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--since: expected 15m, 2h, 3d, or 2026-11-20 13:30 (UTC), got {text!r}") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp() * 1e6) * 1_000


@contextmanager
def _reading() -> Iterator[None]:
    """Say what is wrong with the journal on standard error, and end with exit status 1."""
    try:
        yield
    except JournalError as error:
        print(f"mt5gate: {error.message}; see `mt5gate journal verify`", file=sys.stderr)
        raise typer.Exit(EXIT_REFUSED) from None


def _events(reader: JournalReader, chronicle: Chronicle) -> Iterator[Event]:
    for records in reader.records():
        for record in records:
            event = chronicle.tell(record)
            if event is not None:
                yield event


def _told(folder: Path, client: str, order_id: str) -> Chronicle:
    chronicle = Chronicle(client, order_id)
    with _reading():
        for _ in _events(JournalReader(folder), chronicle):
            pass
    return chronicle


def _json_of_event(event: Event) -> str:
    return tables.json_line(event.to_json())


def _orders_table(stories: list[Story]) -> str:
    return tables.table(
        "accepted client client_order_id account state request answer settled",
        (
            tuple(
                map(
                    printable,
                    (
                        utc(story.accepted_ns),
                        story.client,
                        story.order_id,
                        story.account,
                        story.state_name,
                        request_text(story.request),
                        answer_text(story.status, story.reply) if story.settled_ns else "",
                        utc(story.settled_ns),
                    ),
                )
            )
            for story in stories
        ),
        empty="no orders",
    )


def _absent(order_id: str, born_ms: int, horizon_ms: int) -> int:
    """Say what it means that an order isn't in the journal; return the exit status."""
    if born_ms <= horizon_ms:
        what, status = "too old to be remembered: it may have been executed, see `mt5gate history`", EXIT_UNKNOWN
    else:
        what, status = "not in the journal: it never reached this gateway, or not yet", EXIT_REFUSED
    print(f"mt5gate: order {order_id} is {what}", file=sys.stderr)
    return status


def _exit_status(story: Story) -> int:
    """Return 0 for an order that is done, 1 for one that didn't happen, 4 for one that may have."""
    if story.state in (OrderState.REFUSED, OrderState.NOT_FOUND):
        return EXIT_REFUSED
    if story.state != OrderState.ANSWERED:
        return EXIT_UNKNOWN
    if story.status != Status.OK or not isinstance(story.reply, list) or not story.reply:
        return EXIT_REFUSED if story.status == Status.TERMINAL else EXIT_UNKNOWN
    if story.reply[0] in DONE:
        return 0
    return EXIT_UNKNOWN if is_ambiguous(story.reply[0]) else EXIT_REFUSED


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.add_typer(journal_app, name="journal")

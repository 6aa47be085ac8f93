"""What all commands share: their options, how they reach the gateway, how they speak, and how they end.

The exit statuses are part of the interface, see EXIT_STATUSES. An error is one line on standard error, and says whether
it may have happened.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperGroup

from gateway import config
from gateway.cli import tables
from gateway.wire.errors import (
    Code,
    ConfigError,
    GatewayError,
    LocalProtocolError,
    NoReply,
    OutcomeUnknown,
    RemoteProtocolError,
    TerminalRefused,
    Unavailable,
)

if TYPE_CHECKING:
    from clients import Client

__all__ = (
    "EXIT_NO_GATEWAY",
    "EXIT_REFUSED",
    "EXIT_STATUSES",
    "EXIT_UNKNOWN",
    "EXIT_USAGE",
    "AccountOption",
    "ConfigOption",
    "EndpointOption",
    "Group",
    "JsonOption",
    "TimeoutOption",
    "answered",
    "connected",
    "open_client",
    "order_under_way",
    "say",
    "show",
    "user",
)

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_GATEWAY: Final = 3
EXIT_UNKNOWN: Final = 4
EXIT_INTERRUPTED: Final = 130

HELLO_S: Final = 3.0
"""How long a gateway may take to answer hello, unless --timeout says else."""

EXIT_STATUSES: Final = """\
\b
Exit status:
  0  done
  1  refused, by the terminal or by the gateway: it didn't happen
  2  usage: an option, a value or the configuration is wrong; nothing was sent
  3  nobody there: no gateway, no worker for the account, or no answer to a read
  4  an order left and its outcome is unknown: it may have happened; look
     before you send it again
"""

EndpointOption = Annotated[
    str,
    typer.Option(
        "--endpoint",
        "-e",
        metavar="ADDRESS",
        help="The gateway's address. Left out: MT5GATE_ENDPOINT, the configuration, the default.",
        show_default=False,
    ),
]
AccountOption = Annotated[
    str,
    typer.Option(
        "--account", "-a", metavar="NAME", help="The account. Left out: the gateway's default.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for programs.")]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.001,
        help="How long to wait for each answer. Left out: 5 for most, 15 for orders, 60 for history.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"The configuration. Left out: ./{config.FILE_NAME}, then the one in your configuration folder.",
        show_default=False,
    ),
]

T = TypeVar("T")


class Group(TyperGroup):
    """The command itself: whatever goes wrong below becomes a line on standard error and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except GatewayError as error:
            raise typer.Exit(complain(error)) from None
        except BrokenPipeError:
            _close_output()  # whoever read us has enough: `mt5gate ticks | head`
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        else:
            return result


def complain(error: GatewayError) -> int:
    """Say what went wrong and whether it may have happened; return the exit status."""
    if isinstance(error, ConfigError):
        for line in error.message.splitlines():
            print(f"mt5gate: {line}", file=sys.stderr)
        return EXIT_USAGE
    status, outcome = _outcome(error)
    message = " ".join(error.message.split()) or type(error).__name__
    said = outcome.partition(":")[0] in message
    print(f"mt5gate: {message}" if said else f"mt5gate: {message}; {outcome}", file=sys.stderr)
    return status


def _outcome(error: GatewayError) -> tuple[int, str]:
    """Return the exit status, and whether it happened."""
    match error:
        case OutcomeUnknown():
            return EXIT_UNKNOWN, "it may have happened: look at positions, orders and history before you send it again"
        case NoReply():
            return EXIT_NO_GATEWAY, "nothing was changed: it only reads"
        case Unavailable():
            return EXIT_NO_GATEWAY, "it did not happen: nothing was sent"
        case TerminalRefused():
            return EXIT_REFUSED, "it did not happen: the terminal refused it"
        case RemoteProtocolError():
            return EXIT_REFUSED, "nothing was changed: it only reads, but the answer can't be understood"
        case LocalProtocolError():
            return EXIT_USAGE, "it did not happen: nothing was sent"
        case _ if error.code == Code.UNKNOWN_ACCOUNT:
            return EXIT_USAGE, "it did not happen: it never reached a terminal"
        case _:
            return EXIT_REFUSED, "it did not happen: it never reached the terminal"


def open_client(endpoint: str, account: str, timeout: float | None, **options: Any) -> "Client":
    """Return a client that has said hello to the gateway at an endpoint; "" finds it as the options' help says.

    `options` are further ones of `Client`.
    """
    from clients import Client

    place = endpoint or config.gateway_endpoint()
    if place.startswith("ipc://") and not Path(place.removeprefix("ipc://")).exists():
        raise Unavailable(f"no gateway at {place}: is it running? (`mt5gate run` starts it)")
    if timeout is None:
        return _opened(Client(place, account=account, **options), HELLO_S)
    options |= {"timeout": timeout, "order_timeout": timeout, "bulk_timeout": timeout}
    return _opened(Client(place, account=account, **options), timeout)


def _opened(client: "Client", timeout: float) -> "Client":
    try:
        return client.connect(timeout)
    except BaseException:
        client.shutdown()
        raise


@contextlib.contextmanager
def connected(endpoint: str, account: str, timeout: float | None, **options: Any) -> Iterator["Client"]:
    """Hand out a client for the length of a command."""
    client = open_client(endpoint, account, timeout, **options)
    try:
        yield client
    finally:
        client.shutdown()


@contextlib.contextmanager
def order_under_way() -> Iterator[None]:
    """Make an interrupt, or an answer that can't be read, what it is for an order: nobody knows what became of it."""
    try:
        yield
    except KeyboardInterrupt:
        raise OutcomeUnknown("interrupted while the order was under way") from None
    except RemoteProtocolError as error:
        raise OutcomeUnknown(f"the answer can't be read: {error.message}") from None


def answered(client: "Client", value: T | None, what: str) -> T:
    """Return a call's result; raises TerminalRefused if the terminal gave none."""
    if value is None or value is False:
        code, text = client.last_error()
        raise TerminalRefused(f"{what}: {text} ({code})", detail={"last_error": [code, text]})
    return value


def say(text: str) -> None:
    """Write to standard output, as it is."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def show(as_json: bool, values: Any, human: Callable[[], str]) -> None:
    """Print values one JSON object a line, or what `human` makes for people."""
    if as_json:
        for value in values:
            say(tables.json_line(value))
    else:
        say(human())


def user() -> str:
    """Return the name of whoever runs this, for the journal; "" where the system doesn't say."""
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _close_output() -> None:
    """Let nothing more be written, so that the interpreter's own flush at exit finds no broken pipe."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)

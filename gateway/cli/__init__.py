"""The command `mt5gate`: a client of the gateway like any other, and the way to start one.

It holds no policy: what it sends, any client may send. Its commands are in `serve` (run, worker, feed, config,
version), `trade` (order), `kill` (kill, resume, flatten, switches, allow-exits), `risk` (limits), `look` (quote,
positions, …), `watch` (ticks, stats), `events`, `journal` (journal, order list, order status), `exec` and `simulator`;
`common` has what they share.
"""

import contextlib
import io
import sys
from typing import Final

import typer

from gateway.cli import events, journal, kill, look, risk, serve, simulator, trade, watch
from gateway.cli import exec as exec_command
from gateway.cli.common import EXIT_STATUSES, Group

__all__ = ("app", "main")

HELP: Final = f"""\
A low-latency gateway to MetaTrader 5.

\b
Start one, on a simulated terminal:
  mt5gate run
Then, in another shell:
  mt5gate ticks EURUSD
  mt5gate order buy EURUSD 0.1
  mt5gate positions
  mt5gate stats --probe 100
Each command has its own --help, with examples.

{EXIT_STATUSES}"""

app = typer.Typer(
    name="mt5gate",
    cls=Group,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
serve.add_commands(app)
watch.add_commands(app)
events.add_commands(app)
look.add_commands(app)
trade.add_commands(app)
journal.add_commands(app)
kill.add_commands(app)
risk.add_commands(app)
exec_command.add_commands(app)
simulator.add_commands(app)


def main() -> int:
    """Run the command line, and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="replace")  # a console that can't show a symbol's name still shows the rest
    try:
        app(prog_name="mt5gate")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

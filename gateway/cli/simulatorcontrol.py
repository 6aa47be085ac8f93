"""How the commands that sit before a simulated terminal reach it, and the options that they share.

What goes wrong on the way becomes one of the command's own errors.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import config
from gateway.wire.errors import NoReply, OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from gateway.terminal.simulated.control import Control

__all__ = ("AddressOption", "controlled")

AddressOption = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="The terminal's address, sim://…. Left out: the configuration's.",
        show_default=False,
    ),
]


@contextlib.contextmanager
def controlled(address: str, account: str, file: Any, *, reads: bool = False) -> Iterator["Control"]:
    """Hand out a terminal's control; what goes wrong becomes one of the command's own errors.

    `reads`: nothing will be changed.
    """
    from gateway.terminal.simulated.control import Control, ControlError, NoTerminal

    place = address or _configured(account, file)
    try:
        control = Control(place)
    except NoTerminal as error:
        raise Unavailable(f"{error}; is it running? (`mt5gate run` starts it)") from None
    except ValueError as error:
        raise typer.BadParameter(f"--address: {error}") from None
    with control:
        try:
            yield control
        except ControlError as error:
            raise typer.BadParameter(str(error)) from None
        except NoTerminal as error:
            raise (NoReply(str(error)) if reads else OutcomeUnknown(str(error))) from None


def _configured(account: str, file: Any) -> str:
    """Return the address that the configuration gives an account's terminal; left out, the default account's."""
    loaded = config.load(file)
    places = {settings.account: settings.address for settings in loaded.simulator_settings()}
    if not places:
        raise typer.BadParameter("expected an account with a simulated terminal, the configuration has none")
    wanted = account or (loaded.default_account if loaded.default_account in places else next(iter(places)))
    if wanted not in places:
        raise typer.BadParameter(f"--account: expected one of {', '.join(places)}, got {wanted!r}")
    return places[wanted]

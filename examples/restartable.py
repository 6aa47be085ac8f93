"""A strategy that may be killed at any moment, even with an order under way, and finds out what became of it.

    python examples/restartable.py          # kill it as often as you like, with whatever signal; start it again

It keeps one line on disk: the name of the order that it is about to send, written before it sends it. The gateway
remembers every order by that name, so the next life asks instead of guessing, and never buys twice.
"""

import os
import sys
import time
from pathlib import Path

from clients import Client, OutcomeUnknown, Refused, TerminalRefused, new_order_id

SYMBOL = "EURUSD"
VOLUME = 0.10
NOTE = Path(os.environ.get("NOTE", "restartable.note"))


def keep(order_id: str) -> None:
    """Write the note so that a crash leaves the old one or the new one, never half of it."""
    fresh = NOTE.with_suffix(".new")
    fresh.write_text(order_id)
    fresh.replace(NOTE)


def settle(mt5: Client) -> None:
    """Find out what became of the order that an earlier life was sending, if there is one."""
    if not NOTE.exists():
        return
    order_id = NOTE.read_text()
    try:
        result = mt5.order_outcome(order_id, timeout=60.0)
        print(f"{order_id}: done, position {result.order} at {result.price}")
    except (Refused, TerminalRefused) as error:
        print(f"{order_id}: it didn't happen: {error}")
    except OutcomeUnknown as error:
        sys.exit(f"{order_id}: nobody can tell yet: {error}")
    NOTE.unlink()


def main() -> None:
    with Client(client_id="restartable") as mt5:  # the same name in every life
        settle(mt5)
        while not mt5.positions_get(symbol=SYMBOL):
            order_id = new_order_id("entry")
            keep(order_id)
            try:
                result = mt5.buy(SYMBOL, VOLUME, comment="restartable", client_order_id=order_id)
                print(f"{order_id}: bought, position {result.order} at {result.price}")
                NOTE.unlink()
            except OutcomeUnknown:
                settle(mt5)
            except (Refused, TerminalRefused) as error:
                print(f"{order_id}: refused: {error}")
                NOTE.unlink()
                time.sleep(1.0)
        print(f"holding {sum(position.volume for position in mt5.positions_get(symbol=SYMBOL)):.2f} lots of {SYMBOL}")


if __name__ == "__main__":
    main()

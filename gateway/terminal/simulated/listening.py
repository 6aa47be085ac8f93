"""The socket a simulated terminal listens at: its owner's alone, and never taken from a terminal that lives."""

import os
import socket
import stat
from pathlib import Path
from typing import Final

from gateway.terminal.simulated.address import Address

__all__ = ("listen",)

_BACKLOG: Final = 64


def listen(address: Address) -> socket.socket:
    """Return a listening socket; a Unix socket is the owner's alone from before the first connection."""
    if address.path:
        _clear_stale(address)
    listener = address.open()
    try:
        if not address.path and os.name != "nt":  # on Windows it would let a second server in
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address.target)
        if address.path:
            os.chmod(address.path, 0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear_stale(address: Address) -> None:
    """Unlink the socket of a terminal that is gone; raises OSError if it answers, or if the file is no socket."""
    path = Path(address.path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} is there and is no socket")
    with address.open() as probe:
        try:
            probe.connect(address.target)
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(f"{path}: another terminal answers there")

"""Where a simulated terminal listens: `sim:///absolute/path.sock`, or `sim://127.0.0.1:PORT` without Unix sockets."""

import socket
from dataclasses import dataclass
from typing import Final

__all__ = ("SCHEME", "Address", "parse")

SCHEME: Final = "sim://"
MAX_PATH_BYTES: Final = 100
"""A Unix socket's path has 104 bytes on macOS and 108 on Linux, its end included."""

_LOOPBACK: Final = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address: `path` of a Unix socket, or else `port` on the loopback interface."""

    path: str = ""
    port: int = 0

    @property
    def target(self) -> str | tuple[str, int]:
        """What `bind` and `connect` take."""
        return self.path or ("127.0.0.1", self.port)

    def open(self) -> socket.socket:
        """Return a fresh, unconnected stream socket of the right family; raises OSError where there is none."""
        if self.path:
            if not hasattr(socket, "AF_UNIX"):
                raise OSError("this host has no Unix sockets: use sim://127.0.0.1:PORT")
            return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened


def parse(text: str) -> Address:
    """Parse an address; raises ValueError that says what was expected."""
    if not text.startswith(SCHEME):
        raise ValueError(f"address: expected sim:///absolute/path.sock or sim://127.0.0.1:PORT, got {text!r}")
    rest = text[len(SCHEME) :]
    if rest.startswith("/"):
        if len(rest.encode()) > MAX_PATH_BYTES:
            raise ValueError(f"address: a socket's path has at most {MAX_PATH_BYTES} bytes, got {rest!r}")
        return Address(path=rest)
    host, separator, port = rest.rpartition(":")
    if not separator or host not in _LOOPBACK or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"address: expected an absolute path or 127.0.0.1:PORT behind {SCHEME}, got {text!r}")
    return Address(port=int(port))

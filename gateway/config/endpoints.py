"""Where the gateway may listen: Unix sockets of the owner's own, and the loopback interface. It never opens a socket.

The wire isn't encrypted yet, so nothing that another host could reach is ever bound.
"""

import ipaddress
import os
import sys
from typing import Final

__all__ = ("MAX_IPC_PATH_BYTES", "ipc_path", "is_wide", "on_windows", "tcp_endpoint", "validated_bind")

MAX_IPC_PATH_BYTES: Final = 103 if sys.platform == "darwin" else 107
"""A Unix socket's path, its closing NUL not counted."""

_EXPECTED: Final = "expected ipc:///absolute/path or tcp://127.0.0.1:PORT"


def on_windows() -> bool:
    """Tell whether there are no sockets of the owner's own, so that ports must do."""
    return os.name == "nt"


def tcp_endpoint(port: int) -> str:
    """Return the loopback endpoint of a port."""
    return f"tcp://127.0.0.1:{port}"


def ipc_path(endpoint: str) -> str:
    """Return the file of an ipc endpoint, "" for any other."""
    return endpoint.removeprefix("ipc://") if endpoint.startswith("ipc://") else ""


def is_wide(host: str) -> bool:
    """Say whether listening at `host` (a name, an address or `*`) could be heard beyond this machine."""
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def validated_bind(endpoint: str) -> str:
    """Return the endpoint as it will be bound; raises ValueError that says what was expected and how to mend it."""
    scheme, separator, rest = endpoint.partition("://")
    if separator and scheme == "ipc":
        return _validated_ipc(endpoint, rest)
    if separator and scheme == "tcp":
        return _validated_tcp(endpoint, rest)
    raise ValueError(f"{_EXPECTED}, got {endpoint!r}")


def _validated_ipc(endpoint: str, path: str) -> str:
    if sys.platform == "win32":
        raise ValueError(
            f"expected tcp://127.0.0.1:PORT, got {endpoint!r}; Windows can't keep a socket file to its owner"
        )
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"expected an absolute path behind ipc://, as in ipc:///run/mt5gate/x.ipc, got {endpoint!r}")
    size = len(path.encode())
    if size > MAX_IPC_PATH_BYTES:
        raise ValueError(
            f"expected a path of at most {MAX_IPC_PATH_BYTES} bytes, got {size} bytes in {endpoint!r};"
            " the system allows no longer one for a socket: choose a shorter folder (state_dir)"
        )
    return endpoint


def _validated_tcp(endpoint: str, rest: str) -> str:
    host, _, port = rest.rpartition(":") if ":" in rest.rpartition("]")[2] else (rest, "", "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    shown = port if 0 < number < 65_536 else "5550"
    if is_wide(bare):
        raise ValueError(
            f"{endpoint!r} could be reached from other hosts, and is refused until encryption is configured: this"
            f" version has no encryption (CURVE) yet; use tcp://127.0.0.1:{shown}, and reach it from elsewhere through"
            f" an SSH tunnel (ssh -L {shown}:127.0.0.1:{shown} HOST) or a VPN that forwards to it"
        )
    if not 0 < number < 65_536:
        raise ValueError(f"expected a port from 1 to 65535 at the end, as in tcp://127.0.0.1:5550, got {endpoint!r}")
    if bare == "localhost":
        return tcp_endpoint(number)
    return f"tcp://[{bare}]:{number}" if ":" in bare else f"tcp://{bare}:{number}"

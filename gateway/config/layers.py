"""The layers that a configuration is made of: a YAML file, environment variables, the command line. No policy.

Each layer becomes a plain tree of keys, and each key remembers where it stands, so that a complaint can name the place.
Nothing here may ever show a value: a broken line of YAML may hold a password.
"""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from gateway.config.problems import KeyPath
from gateway.wire.errors import ConfigError

__all__ = ("PREFIX", "Tree", "environment_layer", "file_layer", "merge", "readable_by_others")

PREFIX: Final = "MT5GATE_"
"""Of every environment variable that sets a key; `__` goes one level down: MT5GATE_BROKER__HEARTBEAT_MS."""

_NOT_KEYS: Final = frozenset({"ACCOUNT", "BUILD", "ENDPOINT", "TICK_ENDPOINT"})
"""MT5GATE_ENDPOINT, MT5GATE_TICK_ENDPOINT and MT5GATE_ACCOUNT tell clients where to go, MT5GATE_BUILD is for building:
no keys."""

_FILES: Final = (("simulator", "ticks"), ("simulator", "bars"))
"""Keys, state_dir aside, whose values are paths on this host: relative ones are relative to the file they stand in."""

_MADE_UP: Final = ("simulator", "symbols")
"""Below it are the broker's names, whose case counts, and values of every type."""


class Tree:
    """Keys and their values, nested, with the place of each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[KeyPath, str] = {}

    def put(self, path: tuple[str, ...], value: Any, origin: str) -> None:
        """Set one key, making the mappings above it. What else stands above stays, to be complained of."""
        inner = self.values
        for part in path[:-1]:
            below = inner.setdefault(part, {})
            if not isinstance(below, dict):
                return
            inner = below
        inner[path[-1]] = value
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]
        self.origins[path] = origin


def merge(tree: Tree, layer: Mapping[str, Any], origin: str, above: tuple[str, ...] = ()) -> None:
    """Lay a nested mapping over the tree: mappings merge, everything else replaces. Keys set to None are left as is."""
    for key, value in layer.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            merge(tree, value, origin, path)
        elif value is not None:
            tree.put(path, value, origin)


def file_layer(tree: Tree, path: Path) -> None:
    """Lay a YAML file over the tree; raises ConfigError that names the line, never what stands in it."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}; name another file with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: isn't UTF-8; save it as UTF-8") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        column = f", near column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{where}: isn't valid YAML{column}; check indentation, colons, and put quotes around values with"
            " special characters"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(
            f"{path}: isn't valid YAML; look for control characters, odd dates and endless nesting"
        ) from None
    if values is None:
        return
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected keys and values, as in `state_dir: /run/mt5gate`; see examples/mt5gate.yaml"
        )
    _take(tree, path, node, values, ())


def _take(tree: Tree, path: Path, node: Any, values: Mapping[Any, Any], above: tuple[str, ...]) -> None:
    """Take one mapping of the file, whose node tells the lines."""
    lines: dict[str, int] = {}
    inner: dict[str, Any] = {}
    for key_node, value_node in node.value if isinstance(node, yaml.MappingNode) else ():
        name, line = str(key_node.value), key_node.start_mark.line + 1
        if name in lines and name != "<<":
            key = ".".join((*above, name))
            raise ConfigError(f"{key} ({path}:{line}): stands in line {lines[name]} already; keep one of the two")
        lines[name] = line
        inner[name] = value_node
    for key, value in values.items():
        name = str(key)
        keys = (*above, name)
        origin = f"{path}:{lines[name]}" if name in lines else str(path)
        if above == ("accounts",) and (value is None or isinstance(value, dict)):
            tree.put(keys, {}, origin)  # an account with nothing said of it is one with all defaults
        if isinstance(value, dict) and value:
            _take(tree, path, inner.get(name), value, keys)
            tree.origins[keys] = origin
        elif value is not None:
            is_file = keys == ("state_dir",) or keys[-2:] in _FILES
            tree.put(keys, _located(path.parent, value) if is_file else value, origin)


def _located(folder: Path, value: Any) -> Any:
    if isinstance(value, str):
        return str(folder.absolute() / Path(value).expanduser())
    if isinstance(value, list):
        return [_located(folder, item) for item in value]
    return value


def environment_layer(tree: Tree, environ: Mapping[str, str]) -> None:
    """Lay MT5GATE_… over the tree. An empty variable counts as unset; an account is found whatever its case."""
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if name == variable or name in _NOT_KEYS or not environ[variable]:
            continue
        parts = name.split("__")
        path = tuple(part.lower() for part in parts)
        if path[0] == "accounts" and len(path) > 1:
            path = ("accounts", _account_like(tree, path[1]), *path[2:])
        below = next((end for end in range(2, len(path) + 1) if path[end - 2 : end] == _MADE_UP), 0)
        if below:
            tree.put((*path[:below], *parts[below : below + 1], *path[below + 1 :]), _read(environ[variable]), variable)
        else:
            tree.put(path, environ[variable], variable)


def _read(text: str) -> Any:
    """Return what a text means in YAML, where no declared type tells; the text itself if it means nothing there."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _account_like(tree: Tree, name: str) -> str:
    accounts = tree.values.get("accounts")
    known = accounts if isinstance(accounts, dict) else {}
    return next((account for account in known if as_in_variables(account) == name), name)


def as_in_variables(account: str) -> str:
    """Return an account's name as an environment variable can spell it, in lower case."""
    return account.lower().replace("-", "_").replace(".", "_")


def readable_by_others(path: Path) -> bool:
    """Say whether any user of this host may read the file."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False

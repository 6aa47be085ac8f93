"""What is wrong with a configuration, in one line per problem: the key, where it stands, what was found, and the fix.

Nothing here may ever show a secret: values of passwords, of unknown keys and of whole mappings aren't shown at all.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from gateway.config.model import Schema

__all__ = ("KeyPath", "Origins", "dotted", "key_paths", "problem_line", "problem_lines", "suggestion")

KeyPath = tuple[int | str, ...]
Origins = Mapping[KeyPath, str]
"""Where each given key stands: `mt5gate.yaml:12`, an environment variable's name, or `command line`."""

_MAX_SHOWN: Final = 80
_OF_A_SECTION: Final = re.compile(r"(?P<key>[a-z_]+): (?P<rest>.*)", re.DOTALL)

_KINDS: Final = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    SecretStr: "a text",
}


def problem_lines(error: ValidationError, origins: Origins) -> list[str]:
    """Return one line for each problem that pydantic found, in the order of the schema."""
    lines = []
    for found in error.errors(include_url=False):
        path = tuple(part for part in found["loc"] if part != "[key]")
        context = found.get("ctx", {})
        kind = found["type"]
        if kind == "extra_forbidden":
            text = f"unknown key; {suggestion(path)}"
        elif kind == "value_error":
            text = str(context["error"])
            of_section = _OF_A_SECTION.match(text)
            if of_section and _is_section(_type_at(path)):
                path = (*path, of_section["key"])
                text = of_section["rest"]
        else:
            text = _mistyped(path, kind, found["input"], context)
        lines.append(problem_line(path, text, origins))
    return lines


def problem_line(path: KeyPath, text: str, origins: Origins) -> str:
    """Return the line for one problem with one key."""
    where = next((origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins), "")
    return f"{dotted(path)} ({where}): {text}" if where else f"{dotted(path)}: {text}"


def dotted(path: KeyPath) -> str:
    """Return a key as it is written in texts: `broker.endpoints[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def suggestion(path: KeyPath) -> str:
    """Return what an unknown key may have been meant for, as the fix."""
    *above, key = path
    siblings = _keys_of(_type_at(tuple(above)))
    close = difflib.get_close_matches(str(key), siblings, n=1, cutoff=0.6)
    if close:
        return f"did you mean {dotted((*above, close[0]))}?"
    elsewhere = [known for known in key_paths() if known[-1] == key]
    if elsewhere:
        return f"did you mean {dotted(elsewhere[0])}?"
    return f"remove it, or use one of: {', '.join(siblings)}"


def key_paths() -> Iterator[tuple[str, ...]]:
    """Yield the path of every key of the schema; NAME stands for an account's name.

    A section that may be left out repeats one that may not (an account's own `simulator`): its keys are told there.
    """
    yield from _key_paths(Schema, ())


def _key_paths(section: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, field in section.model_fields.items():
        path = (*above, key)
        yield path
        kind = _plain(field.annotation)
        if get_origin(kind) is dict:
            kind, path = get_args(kind)[1], (*path, "NAME")
        if _is_section(kind) and field.default is not None:
            yield from _key_paths(kind, path)


def _mistyped(path: KeyPath, kind: str, value: Any, context: Mapping[str, Any]) -> str:
    expected = _expected(path, kind, context)
    if kind in ("too_short", "missing"):
        return f"expected {expected}, got none; give one, or leave {path[-1]} out for the default"
    if isinstance(_plain(_type_at(path)), type) and issubclass(_plain(_type_at(path)), SecretStr):
        return f"expected {expected}, got {type(value).__name__}; put quotes around it"
    text = f"expected {expected}, got {_shown(path, value)}"
    if kind == "literal_error":
        close = difflib.get_close_matches(str(value).lower(), _choices(path), n=1, cutoff=0.6)
        if close:
            return f"{text}; did you mean {close[0]}?"
    if kind == "string_type" and isinstance(value, int | float):
        return f"{text}; put quotes around it"
    default = _default_at(path)
    return (
        f"{text}; correct it, or leave it out for the default ({default})"
        if default
        else f"{text}; correct it, or leave it out"
    )


def _expected(path: KeyPath, kind: str, context: Mapping[str, Any]) -> str:
    found = _type_at(path)
    plain = _plain(found)
    choices = _choices(path)
    if choices:
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    if _is_section(plain) or get_origin(plain) is dict:
        return "one or more accounts by name" if path == ("accounts",) else "a mapping of keys"
    if get_origin(plain) is tuple:
        return "a list"
    name = _KINDS.get(plain, "another value") if isinstance(plain, type) else "another value"
    field = _field_at(path)
    bounds = {}
    for constraint in field.metadata if field is not None else ():
        for bound in ("ge", "le"):
            if hasattr(constraint, bound):
                bounds[bound] = getattr(constraint, bound)
    if len(bounds) == 2:
        return f"{name} from {bounds['ge']} to {bounds['le']}"
    if "ge" in bounds:
        return f"{name} of at least {bounds['ge']}"
    return name


def _shown(path: KeyPath, value: Any) -> str:
    if any("password" in str(part) for part in path):
        return "********"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _choices(path: KeyPath) -> list[str]:
    plain = _plain(_type_at(path))
    return [str(choice) for choice in get_args(plain)] if str(get_origin(plain)) == "typing.Literal" else []


def _default_at(path: KeyPath) -> str:
    field = _field_at(path)
    if field is None or field.default_factory is not None or not isinstance(field.default, int | float | str):
        return ""
    default = field.default
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if type(default) is float
        else str(default)
    )


def _keys_of(found: Any) -> list[str]:
    plain = _plain(found)
    return list(plain.model_fields) if _is_section(plain) else []


def _field_at(path: KeyPath) -> Any:
    """Return the declared field that a path ends in, None where it ends in an item or an account's name."""
    above = _plain(_type_at(path[:-1]))
    return above.model_fields.get(str(path[-1])) if path and _is_section(above) else None


def _type_at(path: KeyPath) -> Any:
    """Return the declared type of what stands at a path; None for an unknown one."""
    found: Any = Schema
    for part in path:
        plain = _plain(found)
        if _is_section(plain):
            field = plain.model_fields.get(str(part))
            found = field.annotation if field is not None else None
        elif get_origin(plain) is dict:
            found = get_args(plain)[1]
        elif get_origin(plain) is tuple:
            found = get_args(plain)[0]
        else:
            return None
    return found


def _plain(found: Any) -> Any:
    """Strip Annotated and `| None` from a declared type."""
    while True:
        if get_origin(found) is Annotated:
            found = get_args(found)[0]
        elif type(None) in get_args(found):
            found = next(member for member in get_args(found) if member is not type(None))
        else:
            return found


def _is_section(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)

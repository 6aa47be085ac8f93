"""Which symbols a terminal lists: the default market's, changed, renamed and added to as its settings say.

The rule for what isn't listed (a replayed symbol of any name) stands here too. Nothing here moves with the market.
"""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from gateway.terminal.simulated.market.export import symbol_of
from gateway.terminal.simulated.market.instruments import SHOWN, SPECIFICATIONS
from gateway.terminal.simulated.market.kinds import REFERENCE_RATES, contract, forex
from gateway.terminal.simulated.market.overrides import overridden
from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.settings import Settings

__all__ = ("REFERENCE_RATES", "SHOWN", "SPECIFICATIONS", "derive", "listed", "shown", "specification_for")

MAX_NAME: Final = 29
"""How many characters of a symbol's name a call can carry."""
LIKE: Final = "like"
"""The key by which a setting names the symbol that a new one is made from."""


def listed(settings: Settings) -> dict[str, Specification]:
    """Return the symbols of a synthetic market by name, in the order they are listed in.

    `settings.symbols` maps names (without the suffix) to the fields that differ; a name with `*` means every symbol
    that it matches, and gives way to an exact one. `like` makes a new symbol from one that is listed or stands before
    it. Raises ValueError naming symbol, field, what was expected and what was found; a name that is neither listed nor
    recorded is an error too.
    """
    known = {*SPECIFICATIONS, *_generated_names(settings), *map(symbol_of, (*settings.tick_files, *settings.bar_files))}
    for name, fields in settings.symbols.items():
        if "*" not in name:
            if name not in known and LIKE not in fields:
                raise ValueError(f"symbols: {name}: expected a listed symbol or the field {LIKE}, got an unknown name")
        elif LIKE in fields:
            raise ValueError(f"symbols: {name}: expected a name to make a symbol {LIKE} another, got a pattern")
        elif not any(fnmatchcase(item, name) for item in known):
            raise ValueError(f"symbols: {name}: expected a pattern that some symbol matches, got one that none does")
    return {item.name: item for item in (_suffixed(symbol, settings.suffix) for symbol in _known(settings).values())}


def shown(settings: Settings) -> tuple[str, ...]:
    """Return the names that a fresh terminal's market watch holds: the usual ones and those that settings make."""
    made = [name for name, fields in settings.symbols.items() if LIKE in fields]
    return tuple(name + settings.suffix for name in dict.fromkeys((*SHOWN, *made)))


def specification_for(name: str, digits: int, settings: Settings | None = None) -> Specification:
    """Return a replayed symbol's specification: the listed one, or a derived, with the digits that the data shows.

    With settings their changes and their suffix apply, also to a symbol that isn't listed.
    """
    if settings is None:
        return _with_digits(SPECIFICATIONS[name], digits) if name in SPECIFICATIONS else derive(name, digits)
    suffix = settings.suffix
    stem = name.removesuffix(suffix) or name
    own = settings.symbols.get(stem, {})
    symbol = _known(settings).get(stem)
    if symbol is None:
        symbol = overridden(_by_patterns(derive(stem, digits), settings), own, stem)
    elif "digits" not in own:
        symbol = _with_digits(symbol, digits)
    return _suffixed(symbol, suffix)


def derive(name: str, digits: int) -> Specification:
    """Make up the specification of an unlisted symbol: two known currencies are a pair, anything else a CFD in USD."""
    if len(name) >= 6 and name[:3] in REFERENCE_RATES and name[3:6] in REFERENCE_RATES:
        return forex(name, f"{name[:3]} vs {name[3:6]}", digits, 1.0, "Others")
    return contract(name, name, "Others", "USD", digits, 1.0)


def _known(settings: Settings) -> dict[str, Specification]:
    """Return all symbols that the settings lead to, without their suffix; names that lead nowhere are left out."""
    symbols = {name: _by_patterns(symbol, settings) for name, symbol in SPECIFICATIONS.items()}
    symbols |= {name: _by_patterns(_generate(name), settings) for name in _generated_names(settings)}
    for name, fields in settings.symbols.items():
        if "*" not in name and (LIKE in fields or name in symbols):
            changes = {field: value for field, value in fields.items() if field != LIKE}
            origin = _like(symbols, name, fields[LIKE]) if LIKE in fields else symbols[name]
            symbols[name] = overridden(origin, changes, name)
    return symbols


def _by_patterns(symbol: Specification, settings: Settings) -> Specification:
    for pattern, fields in settings.symbols.items():
        if "*" in pattern and fnmatchcase(symbol.name, pattern):
            symbol = overridden(symbol, fields, pattern)
    return symbol


def _like(symbols: Mapping[str, Specification], name: str, like: Any) -> Specification:
    """Return the symbol that a new one begins as, under the new name."""
    if name in SPECIFICATIONS:
        raise ValueError(f"symbols: {name}: {LIKE}: expected a new name, got a listed symbol's")
    if like not in symbols:
        raise ValueError(f"symbols: {name}: {LIKE}: expected a listed symbol, got {like!r}")
    origin = symbols[like]
    folder = origin.path.rpartition("\\")[0]
    return replace(origin, name=_checked(name), path=f"{folder}\\{name}")


def _generated_names(settings: Settings) -> list[str]:
    return [f"SYM{number:04d}" for number in range(1, settings.generated_symbols + 1)]


def _generate(name: str) -> Specification:
    """Make up a contract in USD out of nothing but its name."""
    draw = zlib.crc32(name.encode())
    price = round(10.0 + draw % 49_000 / 100.0, 2)
    return contract(
        name,
        f"Generated symbol {name[3:]}",
        "Generated",
        "USD",
        2,
        10.0,
        margin_hedged=10.0,
        start_price=price,
        spread_points=2 + draw // 49_000 % 8,
        volatility=0.1 + draw // 400_000 % 30 / 100.0,
        swap_long=-2.0,
        swap_short=-1.0,
    )


def _suffixed(symbol: Specification, suffix: str) -> Specification:
    """Put the suffix behind the name, and behind the name in the path; the currencies stay."""
    if not suffix:
        return symbol
    return replace(symbol, name=_checked(symbol.name + suffix), path=symbol.path + suffix)


def _checked(name: str) -> str:
    if not 0 < len(name) <= MAX_NAME:
        raise ValueError(f"symbols: {name}: expected a name of 1 to {MAX_NAME} characters, got {len(name)}")
    return name


def _with_digits(symbol: Specification, digits: int) -> Specification:
    if symbol.digits == digits:
        return symbol
    if symbol.tick_size != symbol.point:
        return replace(symbol, digits=digits)
    return replace(symbol, digits=digits, tick_size=0.0, tick_value=0.0)

"""Which of the gateway's accounts is meant. Rule: what is asked for is found or refused, never replaced by another."""

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ("Choice", "NoSuchAccount", "choose")


class NoSuchAccount(Exception):
    """The gateway has no such account, and won't have it by waiting."""


class Choice(NamedTuple):
    """An account's name, whether a terminal has proven it, and what is still missing ("": nothing)."""

    name: str
    proven: bool
    missing: str


def choose(accounts: Sequence[dict[str, Any]], name: str, login: int = 0, server: str = "") -> Choice:
    """Return the account that is meant.

    `accounts` is what the gateway's call of that name returns. `name` "" means: whichever fits; `login` 0 means that
    the name decides, else both must agree; `server` counts with a login only, as in the package. An account whose
    login nobody has declared or proven may still turn out to be it: it is waited for. Raises NoSuchAccount.
    """
    named = [account for account in accounts if name in ("", account["name"])]
    if not login:
        possible = named[:1]
    else:
        possible = [
            account
            for account in named
            if account["login"] in (0, login) and (not server or account["server"] in ("", server))
        ]
    if not possible:
        raise NoSuchAccount(f"expected {_wanted(name, login, server)}, the gateway has {_known(accounts)}")
    for account in possible:
        if account["proven"] and login in (0, account["login"]):
            idle = [lane for lane, workers in account["lanes"].items() if not workers]
            missing = f"account {account['name']}: no worker serves {' and '.join(idle)}" if idle else ""
            return Choice(account["name"], True, missing)
    first = possible[0]
    return Choice(first["name"], False, f"account {first['name']}: {first['reason'] or 'not proven yet'}")


def _wanted(name: str, login: int, server: str) -> str:
    parts = [
        f"named {name}" if name else "",
        f"with login {login}" if login else "",
        f"at {server!r}" if server else "",
    ]
    return " ".join(["an account", *filter(None, parts)])


def _known(accounts: Sequence[dict[str, Any]]) -> str:
    known = [f"{account['name']} ({account['login'] or 'not proven yet'} {account['server']})" for account in accounts]
    return ", ".join(known) or "none"

"""What is wrong with a configuration only when its keys are seen together, or only on this host."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.config.endpoints import MAX_IPC_PATH_BYTES, ipc_path
from gateway.config.layers import as_in_variables
from gateway.config.model import RiskLimits, Schema, Simulator
from gateway.config.problems import KeyPath, Origins, problem_line
from gateway.wire.risklimits import is_looser

__all__ = ("PLACES", "contradictions")

PLACES: Final = {
    ("broker", "endpoints"): ("broker.ipc", 0),
    ("broker", "worker_endpoints"): ("workers.ipc", 1),
    ("publisher", "endpoints"): ("ticks.ipc", 2),
    ("publisher", "feed_endpoints"): ("feeds.ipc", 3),
}
"""What listens by default: its file in the state folder, and its place behind `tcp_port`. A simulated terminal has
terminal.sock there, or the fifth port."""

MAX_SIMULATOR_PATH_BYTES: Final = 100
"""What a simulated terminal's socket may have; see `terminal.simulated.address`."""

_Found = Iterator[tuple[KeyPath, str]]


def contradictions(config: Schema, simulator_sockets: Sequence[str], origins: Origins) -> list[str]:
    """Return a line for each contradiction in a configuration whose open ends are filled in."""
    found = [
        *_state_dir(config, simulator_sockets),
        *_durability(config, origins),
        *_accounts(config),
        *_feeds(config),
        *_endpoints(config),
        *_limits(config),
        *_simulators(config, origins),
    ]
    return [problem_line(path, text, origins) for path, text in found]


def _state_dir(config: Schema, simulator_sockets: Sequence[str]) -> _Found:
    limits = dict.fromkeys(simulator_sockets, MAX_SIMULATOR_PATH_BYTES)
    for section, key in PLACES:
        limits |= {ipc_path(endpoint): MAX_IPC_PATH_BYTES for endpoint in getattr(getattr(config, section), key)}
    excess = max(
        (len(path.encode()) - limit for path, limit in limits.items() if Path(path).parent == Path(config.state_dir)),
        default=0,
    )
    if excess > 0:
        yield (
            ("state_dir",),
            f"expected a path of at most {len(config.state_dir.encode()) - excess} bytes, got {config.state_dir!r};"
            " the system allows no longer paths for the sockets in it: choose a shorter one",
        )


def _durability(config: Schema, origins: Origins) -> _Found:
    if config.broker.durability == "disk" and ("state_dir",) not in origins:
        yield (
            ("broker", "durability"),
            f"disk: expected a state_dir of your own, on a disk: the default one, {config.state_dir}, may be emptied by"
            " a reboot, and the journal with it; set state_dir, or durability: process",
        )


def _accounts(config: Schema) -> _Found:
    if config.default_account not in config.accounts:
        yield (
            ("default_account",),
            f"expected one of the accounts ({', '.join(config.accounts)}), got {config.default_account!r};"
            " correct it, or leave it out for the first",
        )
    spelled: dict[str, str] = {}
    for name in config.accounts:
        twin = spelled.setdefault(as_in_variables(name), name)
        if twin != name:
            yield (
                ("accounts", name),
                f"too like {twin!r}: file names and environment variables can't tell them apart; rename one",
            )


def _feeds(config: Schema) -> _Found:
    feeders: dict[str, str] = {}
    for name, account in config.accounts.items():
        feed = account.feed.source_of(name)
        feeder = feeders.setdefault(feed, name) if account.feed.enabled else name
        if feeder != name:
            yield (
                ("accounts", name, "feed", "name"),
                f"account {feeder} has a feed named {feed!r} already; give it another name, or share that feed with"
                " enabled: false",
            )
    for name, account in config.accounts.items():
        if not account.feed.enabled and account.feed.name and account.feed.name not in feeders:
            yield (
                ("accounts", name, "feed", "name"),
                f"expected another account's feed, as this account's own isn't enabled, got {account.feed.name!r};"
                " set enabled: true, or leave the name out",
            )


def _endpoints(config: Schema) -> _Found:
    taken: dict[str, str] = {}
    for section, key in PLACES:
        for index, endpoint in enumerate(getattr(getattr(config, section), key)):
            place = f"{section}.{key}[{index}]"
            twin = taken.setdefault(endpoint, place)
            if twin != place:
                yield (section, key, index), f"{endpoint} is {twin} already; give each its own"
        if not getattr(getattr(config, section), key):
            yield (section, key), "expected at least one endpoint, got none; add one, or set tcp_port"


def _limits(config: Schema) -> _Found:
    risk = config.risk
    for name in risk.accounts or {}:
        if name not in config.accounts:
            yield (
                ("risk", "accounts", name),
                f"expected one of the accounts ({', '.join(config.accounts)}), got {name!r}; correct it",
            )
    sections: dict[KeyPath, RiskLimits] = {("risk", "limits"): risk.limits}
    for section in ("accounts", "clients", "symbols"):
        named: dict[str, RiskLimits] = getattr(risk, section) or {}
        sections |= {("risk", section, name): limits for name, limits in named.items()}
    for path, limits in sections.items():
        if path[1] == "symbols" and limits.max_daily_requests is not None:
            yield (*path, "max_daily_requests"), "counts for accounts and clients, not for symbols; move it there"
        for name, value in limits.model_dump(exclude_none=True).items():
            bound = getattr(risk.bounds, name, None)
            if is_looser(name, value, bound):
                yield (
                    (*path, name),
                    f"expected nothing looser than risk.bounds.{name} ({bound}), got {value}; correct one",
                )


def _simulators(config: Schema, origins: Origins) -> _Found:
    """Whoever shares a section shares its problems: each is told once."""
    told: set[KeyPath] = set()
    shared: KeyPath = ("simulator",)
    sections = [(shared, config.simulator)]
    for name, account in config.accounts.items():
        if account.simulator is not None:
            sections.append((("accounts", name, "simulator"), account.simulator))
    for own, section in sections:
        for keys, text in _simulator(section):
            path = (*own, *keys) if (*own, keys[0]) in origins else (*shared, *keys)
            if path not in told:
                told.add(path)
                yield path, text


def _simulator(section: Simulator) -> _Found:
    for key, what in (("ticks", "ticks"), ("bars", "bars")):
        for index, file in enumerate(getattr(section, key)):
            if not Path(file).is_file():
                yield (key, index), f"expected a file of {what}, got {file!r}, which isn't there; correct the path"
    if section.state and section.is_replay:
        yield (
            ("state",),
            "a replay begins anew at every start, and an account can't go back in time with it; leave state out, or"
            " ticks and bars",
        )
    if section.stop_out_level > section.margin_call_level:
        yield (
            ("stop_out_level",),
            f"expected at most the margin call's level ({section.margin_call_level:g}), got"
            f" {section.stop_out_level:g}; lower it, or raise margin_call_level",
        )

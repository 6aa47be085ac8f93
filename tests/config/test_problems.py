"""Every complaint names the key, where it stands, what was found, and the fix; and never a secret."""

import itertools
import re
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.problems import key_paths
from gateway.wire.errors import Code, ConfigError

PROBLEMS = {
    "unknown key": (
        "broker:\n  hartbeat_ms: 5",
        r"broker\.hartbeat_ms \(.*mt5gate\.yaml:2\): unknown key; did you mean broker\.heartbeat_ms\?",
    ),
    "unknown section": ("brokr: {}", r"brokr \(.*\): unknown key; did you mean broker\?"),
    "key of another section": ("heartbeat_ms: 5", r"heartbeat_ms .*: unknown key; did you mean broker\.heartbeat_ms\?"),
    "unlike any key": ("log: {zzz: 1}", r"log\.zzz .*: unknown key; remove it, or use one of: level"),
    "not a number": (
        "broker: {heartbeat_ms: fast}",
        r"broker\.heartbeat_ms .*: expected a whole number from 10 to 60000, got 'fast'; correct it, or leave it out"
        r" for the default \(1000\)",
    ),
    "out of range": (
        "accounts: {demo: {workers: {watch: 2}}}",
        r"accounts\.demo\.workers\.watch .*: expected a whole number from 0 to 1, got 2; .*default \(1\)",
    ),
    "durable where a reboot empties": (
        "broker: {durability: disk}",
        r"broker\.durability .*: disk: expected a state_dir of your own, on a disk",
    ),
    "too small": ("accounts: {demo: {login: -1}}", r"accounts\.demo\.login .*: expected a whole number of at least 0,"),
    "fraction": (
        "simulator: {leverage: 1.5}",
        r"simulator\.leverage .*: expected a whole number .*, got 1\.5; correct",
    ),
    "infinite": ("simulator: {deposit: .inf}", r"simulator\.deposit .*: expected a number .*, got inf; correct it"),
    "speed": (
        "simulator: {speed: 0}",
        r"simulator\.speed .*: expected a number above 0, or max, got 0\.0; 1 is real time",
    ),
    "not a flag": (
        "accounts: {demo: {portable: perhaps}}",
        r"accounts\.demo\.portable .*: expected true or false, got 'perhaps'; .*default \(false\)",
    ),
    "near a choice": (
        "log: {level: wraning}",
        r"log\.level .*: expected debug, info, warning or error, got 'wraning'; did you mean warning\?",
    ),
    "no choice": (
        "accounts: {demo: {terminal: mt4}}",
        r"accounts\.demo\.terminal .*: expected simulated, metatrader5 or remote, got 'mt4'; .*default \(simulated\)",
    ),
    "number for a text": (
        "accounts: {demo: {server: 5}}",
        r"accounts\.demo\.server .*: expected a text, got 5; put quotes around it",
    ),
    "number for a password": (
        "accounts: {demo: {password: 12345}}",
        r"accounts\.demo\.password .*: expected a text, got int; put quotes around it",
    ),
    "value for a section": ("broker: 5", r"broker .*: expected a mapping of keys, got 5; correct it, or leave it out"),
    "list for a number": ("broker: {spin_us: [5]}", r"broker\.spin_us .*: expected .*, got a list; correct it"),
    "no account": ("accounts: {}", r"accounts .*: expected one or more accounts by name, got none; give one, or leave"),
    "list of accounts": (
        "accounts: [demo]",
        r"accounts .*: expected one or more accounts by name, got a list; correct",
    ),
    "account's name": ("accounts: {a/b: {}}", r"accounts\.a/b .*: expected a name of letters.*'a/b'; .*: rename it"),
    "accounts alike": ("accounts: {a-b: {}, A_B: {}}", r"accounts\.A_B .*: too like 'a-b': .*; rename one"),
    "default account": (
        "default_account: live",
        r"default_account .*: expected one of the accounts \(demo\), got 'live'; correct it, or leave it out",
    ),
    "real without consent": (
        "accounts: {live: {mode: real, terminal: remote}}",
        r"accounts\.live\.mode .*: real trades real money .*: set allow_real: true, or mode: demo",
    ),
    "simulated and real": (
        "accounts: {live: {mode: real, allow_real: true}}",
        r"accounts\.live\.mode .*: expected demo with a simulated terminal, got 'real'; set terminal: metatrader5",
    ),
    "simulated with a path": (
        "accounts: {live: {path: 'C:/terminal64.exe'}}",
        r"accounts\.live\.path .*: a simulated terminal has no executable.*; set terminal: metatrader5, or leave path",
    ),
    "password alone": (
        "accounts: {live: {terminal: metatrader5, password: hunter2}}",
        r"accounts\.live\.password .*: given without a login; set login \(or MT5_LOGIN\) too, or leave",
    ),
    "impatient": (
        "broker: {heartbeat_ms: 5000}",
        r"broker\.worker_timeout_ms .*: expected at least two heartbeats \(10000 ms\), got 4000; raise",
    ),
    "symbol": (
        f"accounts: {{demo: {{feed: {{symbols: [{'X' * 30}]}}}}}}",
        r"accounts\.demo\.feed\.symbols\[0\] .*: expected a symbol of 1 to 29 characters, got 'X+'; use",
    ),
    "feed twice": (
        "accounts: {a: {feed: {name: f}}, b: {feed: {name: f}}}",
        r"accounts\.b\.feed\.name .*: account a has a feed named 'f' already; give it another name, or",
    ),
    "feed of nobody": (
        "accounts: {a: {feed: {enabled: false, name: f}}}",
        r"accounts\.a\.feed\.name .*: expected another account's feed.*, got 'f'; set enabled: true, or leave",
    ),
    "endpoint twice": (
        "broker: {endpoints: ['tcp://127.0.0.1:7001']}\npublisher: {endpoints: ['tcp://127.0.0.1:7001']}",
        r"publisher\.endpoints\[0\] .*:2\): tcp://127.0.0.1:7001 is broker\.endpoints\[0\] already; give each its own",
    ),
    "long state_dir": (
        f"state_dir: /tmp/{'x' * 100}",
        r"state_dir .*: expected a path of at most 86 bytes, got '/tmp/x+'; .*: choose a shorter one",
    ),
    "absent ticks": (
        "simulator: {ticks: [absent.csv]}",
        r"simulator\.ticks\[0\] .*: expected a file of ticks, got '.*absent.csv', which isn't there; correct the path",
    ),
    "absent ticks of an account": (
        "accounts: {demo: {simulator: {bars: [absent.csv]}}}",
        r"accounts\.demo\.simulator\.bars\[0\] .*: expected a file of bars, got '.*absent.csv', which isn't there;",
    ),
    "kept replay": (
        "simulator: {ticks: [mt5gate.yaml], state: true}",
        r"simulator\.state .*: a replay begins anew at every start, and an account can't go back .*; leave state out",
    ),
    "stop out before the margin call": (
        "simulator: {margin_call_level: 40}\naccounts: {demo: {simulator: {stop_out_level: 45}}}",
        r"accounts\.demo\.simulator\.stop_out_level .*: expected at most the margin call's level \(40\), got 45; lower",
    ),
    "shared by two": (
        "simulator: {stop_out_level: 80}\naccounts: {a: , b: {simulator: {seed: 2}}, c: {simulator: {seed: 3}}}",
        r"simulator\.stop_out_level .*:1\): expected at most the margin call's level \(50\), got 80; lower it",
    ),
    "chance": (
        "simulator: {faults: {requote: 1.5}}",
        r"simulator\.faults\.requote .*: expected a chance from 0 to 1, got 1.5; 0.01 is one call in a hundred",
    ),
    "margin mode": (
        "simulator: {margin_mode: net}",
        r"simulator\.margin_mode .*: expected netting, exchange or hedging, got 'net'; did you mean netting\?",
    ),
    "terms of no kind": (
        "simulator: {symbols: {EURUSD: {swap_long: !!binary aGk=}}}",
        r"simulator\.symbols\.EURUSD .*: expected numbers, texts, and lists of them; put quotes around texts",
    ),
    "terms of a symbol": (
        "simulator: {symbols: {EURUSD: 5}}",
        r"simulator\.symbols\.EURUSD .*: expected a mapping of keys, got 5; correct it",
    ),
    "simulator without one": (
        "accounts: {live: {terminal: metatrader5, simulator: {seed: 2}}}",
        r"accounts\.live\.simulator .*: metatrader5 is no simulated terminal; set terminal: simulated, or leave simul",
    ),
    "key twice": (
        "log: {level: info}\nlog: {level: debug}",
        r"log \(.*:2\): stands in line 1 already; keep one of the",
    ),
    "not YAML": ("log: {level: 'info", r".*mt5gate\.yaml:1: isn't valid YAML, near column \d+; check indentation"),
    "not keys": ("- log", r".*mt5gate\.yaml: expected keys and values, .*; see examples/mt5gate\.yaml"),
}


@pytest.mark.parametrize(("text", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_complaint_names_key_place_value_and_fix(problems, text: str, expected: str) -> None:
    lines = problems(text)

    assert len(lines) == 1, lines
    assert re.match(expected, lines[0]), lines[0]


def test_every_problem_has_its_own_line_and_none_hides_another(problems) -> None:
    lines = problems("brokr: 1\nlog: {level: loud}\nbroker: {spin_us: x, endpoints: ['tcp://*:1']}")

    assert sorted(line.split(" ")[0] for line in lines) == [
        "broker.endpoints[0]",
        "broker.spin_us",
        "brokr",
        "log.level",
    ]


def test_variable_is_named_where_it_is_to_blame(problems) -> None:
    assert problems("", {"MT5GATE_BROKER__HARTBEAT_MS": "5"}) == [
        "broker.hartbeat_ms (MT5GATE_BROKER__HARTBEAT_MS): unknown key; did you mean broker.heartbeat_ms?"
    ]
    assert problems("", {"MT5_LOGIN": "me"})[0].startswith("accounts.demo.login (MT5_LOGIN): expected a whole number")


def test_command_line_is_named_where_it_is_to_blame(problems) -> None:
    assert problems("", simulator={"speed": "fast"})[0].startswith("simulator.speed (command line): expected a number")


def test_variable_replaces_a_bad_value_of_the_file(loaded) -> None:
    assert loaded("broker: {spin_us: x}", {"MT5GATE_BROKER__SPIN_US": "5"}).broker.spin_us == 5


def test_file_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "mt5gate.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mt5gate.yaml: isn't UTF-8; save it as UTF-8"):
        load(folder / "mt5gate.yaml", environ={})
    (folder / "mt5gate.yaml").write_bytes(b"a: \x00")
    with pytest.raises(ConfigError, match=r"mt5gate.yaml: isn't valid YAML; look for control characters"):
        load(folder / "mt5gate.yaml", environ={})


def test_later_layer_does_not_hide_a_section_that_is_none(problems) -> None:
    assert problems("broker: 5", {"MT5GATE_BROKER__SPIN_US": "5"})[0].startswith("broker (")
    assert "got 'simulated'" in problems("accounts: {demo: simulated}", {"MT5_LOGIN": "5"})[0]


def test_error_carries_its_code_and_its_lines(problems, loaded) -> None:
    with pytest.raises(Exception, match="unknown key") as caught:
        loaded("a: 1\nb: 2")

    assert caught.value.code == Code.CONFIG
    assert len(caught.value.detail["problems"]) == 2
    assert caught.value.__cause__ is None


SECRET = "hunter2-secret"


@pytest.mark.parametrize(
    "text",
    [
        f"accounts: {{demo: {{password: [{SECRET}]}}}}",
        f"accounts: {{demo: {{password: {{a: {SECRET}}}}}}}",
        f"accounts: {{demo: {{passwrd: {SECRET}}}}}",
        f"accounts: {{demo: {{password: {SECRET}, login: x}}}}",
        f"accounts: {{demo: {{password: {SECRET}, mode: real}}}}",
        f"accounts: {{demo: {{password: {SECRET}, terminal: metatrader5}}}}",
        f"accounts: [{{name: demo, password: {SECRET}}}]",
        f"accounts: {{password: {{password: {SECRET}, x: 1}}}}",
        f"password: {SECRET}",
        f"accounts:\n  demo:\n    password: *{SECRET}",
        f"accounts:\n  demo:\n    password: !{SECRET} x",
        f"accounts:\n  demo:\n    password: '{SECRET}",
        f'accounts:\n  demo:\n    password: "{SECRET}\\q"',
        f"accounts:\n  demo:\n    password: {SECRET}: x: y",
        f"broker: {{password: {SECRET}}}",
    ],
)
def test_secret_is_never_in_a_complaint(problems, text: str) -> None:
    lines = problems(text)

    assert lines
    assert SECRET not in "\n".join(lines)


def test_secret_is_never_in_a_repr_or_dump(loaded) -> None:
    config = loaded(f"accounts: {{demo: {{login: 5, password: {SECRET}}}}}")
    shown = [repr(config), str(config), str(config.model_dump()), config.model_dump_json()]
    shown += [repr(settings) for settings in config.worker_settings()]
    shown += [repr(settings) for settings in config.feed_settings() + config.simulator_settings()]
    shown += [repr(config.broker_settings()), repr(config.publisher_settings())]

    assert SECRET not in "\n".join(shown)
    assert "********" in shown[0]
    assert SECRET not in config.broker_settings().to_json() + config.publisher_settings().to_json()


def test_every_key_refuses_a_value_of_another_kind_by_name(problems) -> None:
    for path in key_paths():
        keys = ["demo" if key == "NAME" else key for key in path]
        value: object = [{"x": [1]}]
        for key in reversed(keys):
            value = {key: value}
        assert isinstance(value, dict)

        lines = problems("", **value)

        key = re.escape(".".join(keys))
        assert re.match(rf"{key}(\[0\])? \(command line\): expected .*, got .*; \w+", lines[0]), lines[0]


def test_every_single_misspelling_is_set_right(problems) -> None:
    for path in itertools.islice(key_paths(), 0, None, 5):
        keys = ["demo" if key == "NAME" else key for key in path]
        value: object = 1
        for key in reversed([*keys[:-1], keys[-1] + "x"]):
            value = {key: value}
        assert isinstance(value, dict)

        assert f"did you mean {'.'.join(keys)}?" in problems("", **value)[0]

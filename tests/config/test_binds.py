"""Nothing is bound where another host or another user could reach it."""

import os
import sys
from pathlib import Path

import pytest

from gateway.config.endpoints import MAX_IPC_PATH_BYTES, validated_bind
from gateway.wire.errors import ConfigError

LONGEST = "/" + "x" * (MAX_IPC_PATH_BYTES - 1)


@pytest.mark.parametrize(
    ("endpoint", "bound"),
    [
        ("ipc:///run/mt5gate/broker.ipc", "ipc:///run/mt5gate/broker.ipc"),
        (f"ipc://{LONGEST}", f"ipc://{LONGEST}"),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
        ("tcp://127.8.9.10:5550", "tcp://127.8.9.10:5550"),
        ("tcp://localhost:65535", "tcp://127.0.0.1:65535"),
        ("tcp://[::1]:5550", "tcp://[::1]:5550"),
        ("tcp://::1:5550", "tcp://[::1]:5550"),
    ],
)
def test_own_sockets_and_loopback_are_allowed(endpoint: str, bound: str) -> None:
    assert validated_bind(endpoint) == bound


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://*:5550",
        "tcp://*",
        "tcp://0.0.0.0:5550",
        "tcp://[::]:5550",
        "tcp://:::5550",
        "tcp://192.168.1.5:5550",
        "tcp://10.0.0.1:5550",
        "tcp://8.8.8.8:5550",
        "tcp://[fe80::1]:5550",
        "tcp://eth0:5550",
        "tcp://gateway.example.com:5550",
        "tcp://127.0.0.1.example.com:5550",
        "tcp://:5550",
        "tcp://",
    ],
)
def test_what_another_host_could_reach_is_refused_until_encryption(endpoint: str) -> None:
    with pytest.raises(
        ValueError, match=r"until encryption is configured: this version has no encryption \(CURVE\) yet"
    ) as e:
        validated_bind(endpoint)

    assert "SSH tunnel (ssh -L 5550:127.0.0.1:5550 HOST) or a VPN" in str(e.value)
    assert repr(endpoint) in str(e.value)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0"])
def test_port_must_be_given(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"expected a port from 1 to 65535 at the end, as in tcp://127.0.0.1:5550"):
        validated_bind(endpoint)


@pytest.mark.parametrize("port", ["65536", "99999", "-1", "1e3", "５５５０", "000000001"])
def test_port_must_be_one(port: str) -> None:
    with pytest.raises(ValueError, match="expected a port from 1 to 65535"):
        validated_bind(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize("endpoint", ["ipc://", "ipc://*", "ipc://@abstract", "ipc://relative/x.ipc", "ipc:///run/"])
def test_ipc_needs_an_absolute_path(endpoint: str) -> None:
    with pytest.raises(ValueError, match="expected an absolute path behind ipc://"):
        validated_bind(endpoint)


def test_ipc_path_that_no_socket_can_have_is_refused_with_the_fix() -> None:
    with pytest.raises(
        ValueError, match=f"at most {MAX_IPC_PATH_BYTES} bytes, got {MAX_IPC_PATH_BYTES + 1} .*: choose a"
    ):
        validated_bind(f"ipc://{LONGEST}x")
    with pytest.raises(ValueError, match="choose a shorter folder"):
        validated_bind("ipc:///" + "é" * (MAX_IPC_PATH_BYTES // 2 + 1))


@pytest.mark.parametrize(
    "endpoint", ["", "127.0.0.1:5550", "udp://127.0.0.1:1", "inproc://x", "TCP://127.0.0.1:1", "ws://x"]
)
def test_other_transports_are_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"expected ipc:///absolute/path or tcp://127.0.0.1:PORT, got"):
        validated_bind(endpoint)


def test_windows_has_no_owner_only_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(ValueError, match=r"expected tcp://127.0.0.1:PORT, got 'ipc:///x/y'; Windows can't"):
        validated_bind("ipc:///x/y")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("broker", "endpoints"),
        ("broker", "worker_endpoints"),
        ("publisher", "endpoints"),
        ("publisher", "feed_endpoints"),
    ],
)
def test_rules_hold_for_everything_that_listens(problems, section: str, key: str) -> None:
    (line,) = problems(f"{section}: {{{key}: ['tcp://127.0.0.1:7001', 'tcp://0.0.0.0:7002']}}")

    assert line.startswith(f"{section}.{key}[1] (")
    assert "until encryption is configured" in line


def test_tcp_port_adds_loopback_endpoints_in_a_row(loaded) -> None:
    config = loaded("tcp_port: 7000\nbroker: {endpoints: ['tcp://127.0.0.1:7000']}")

    assert config.broker.endpoints == ("tcp://127.0.0.1:7000",)
    assert config.broker.worker_endpoints == (f"ipc://{config.state_dir}/workers.ipc", "tcp://127.0.0.1:7001")
    assert config.publisher.endpoints == (f"ipc://{config.state_dir}/ticks.ipc", "tcp://127.0.0.1:7002")
    assert config.publisher.feed_endpoints == (f"ipc://{config.state_dir}/feeds.ipc", "tcp://127.0.0.1:7003")


def test_state_dir_is_made_for_its_owner_alone(loaded, folder: Path) -> None:
    config = loaded(f"state_dir: {folder}/a/state")
    assert not (folder / "a").exists()

    config.prepare()
    config.prepare()

    state_dir = folder / "a" / "state"
    assert state_dir.stat().st_mode & 0o777 == 0o700


def test_state_dir_open_to_others_is_refused(loaded, folder: Path) -> None:
    state_dir = folder / "state"
    state_dir.mkdir(mode=0o755)
    state_dir.chmod(0o755)

    with pytest.raises(
        ConfigError, match=f"state_dir: {state_dir} is open to other users; run `chmod 700 {state_dir}`"
    ):
        loaded(f"state_dir: {state_dir}").prepare()


def test_state_dir_of_another_user_is_refused(loaded, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = loaded(f"state_dir: {folder}/state")
    monkeypatch.setattr(os, "getuid", lambda: 4_242)

    with pytest.raises(ConfigError, match=r"state_dir: .* belongs to another user; choose a folder of your own"):
        config.prepare()


def test_state_dir_that_cannot_be_made_is_refused(loaded, folder: Path) -> None:
    (folder / "file").write_text("")

    with pytest.raises(ConfigError, match=r"state_dir: .* can't be created: .*; choose a folder of your own"):
        loaded(f"state_dir: {folder}/file").prepare()


def test_folder_of_an_ipc_socket_elsewhere_must_be_the_owners_too(loaded, folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    config = loaded(f"state_dir: {folder}/state\nbroker: {{worker_endpoints: ['ipc://{shared}/w.ipc']}}")

    with pytest.raises(ConfigError, match=r"broker.worker_endpoints\[0\]: .* is open to other users; run `chmod 700"):
        config.prepare()

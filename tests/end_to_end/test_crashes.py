"""Anything may be killed or stopped: service comes back, clients learn what may have happened, nothing stays."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from gateway.wire import constants as mt5
from gateway.wire.errors import GatewayError, OutcomeUnknown, Refused

ROLES = ("broker", "publisher", "worker", "worker-child", "feed", "feed-child", "simulator")


def is_over(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(gateway: Any) -> bool:
    """A read goes through the whole order plane."""
    try:
        with gateway.client(timeout=2.0) as client:
            return client.account_info() is not None
    except GatewayError:
        return False


def trades(gateway: Any) -> bool:
    try:
        with gateway.client(timeout=2.0, order_timeout=2.0) as client:
            return client.buy("EURUSD", 0.01).order > 0
    except GatewayError:
        return False


def streams(gateway: Any) -> bool:
    try:
        with gateway.ticks("EURUSD", timeout=2.0) as stream:
            return stream.recv(2.0) is not None
    except GatewayError:
        return False


def comes_back(gateway: Any, wait_until: Callable[..., None], how: signal.Signals, *roles: str) -> None:
    """End some processes at once; everything must work again."""
    victims = {role: gateway.role(role) for role in roles}
    for victim in victims.values():
        os.kill(victim.pid, how)
    for role, victim in victims.items():
        wait_until(lambda victim=victim: is_over(victim), f"the end of the {role}")
    for role in roles:
        gateway.role(role)
    wait_until(lambda: answers(gateway), f"an answer after {roles} were lost")
    wait_until(lambda: trades(gateway), f"a trade after {roles} were lost")
    wait_until(lambda: streams(gateway), f"a tick after {roles} were lost")


@pytest.mark.parametrize("role", ROLES)
def test_service_comes_back_when_a_process_is_killed(
    module_gateway: Any, wait_until: Callable[..., None], role: str
) -> None:
    comes_back(module_gateway, wait_until, signal.SIGKILL, role)


@pytest.mark.parametrize(
    "roles",
    [("broker",), ("worker-child",), ("feed-child",), ("publisher", "simulator"), ("worker", "feed")],
    ids="+".join,
)
def test_service_comes_back_when_processes_stand_still(
    module_gateway: Any, wait_until: Callable[..., None], roles: tuple[str, ...]
) -> None:
    comes_back(module_gateway, wait_until, signal.SIGSTOP, *roles)


def test_nothing_is_left_of_all_that_was_killed_and_started(module_gateway: Any) -> None:
    assert module_gateway.stop() == 0
    assert module_gateway.left_behind() == []


def test_supervisor_killed_leaves_nothing_and_starts_again(own_gateway: Any, wait_until: Callable[..., None]) -> None:
    own_gateway.processes()
    own_gateway.process.kill()
    own_gateway.process.wait()
    wait_until(lambda: not own_gateway.left_behind(), "every process to end with its supervisor")
    own_gateway.start()
    assert trades(own_gateway)


def test_supervisor_stopped_stops_nobody_else(own_gateway: Any) -> None:
    own_gateway.process.send_signal(signal.SIGSTOP)
    assert answers(own_gateway)
    assert trades(own_gateway)
    own_gateway.process.send_signal(signal.SIGCONT)
    assert own_gateway.stop() == 0
    assert own_gateway.left_behind() == []


@pytest.mark.parametrize("role", ["worker-child", "simulator", "broker"])
def test_order_in_flight_ends_known_or_unknown_never_silent(
    own_gateway: Any, wait_until: Callable[..., None], role: str
) -> None:
    """A stopped part holds the order; killing it must end the wait with an error that says what may have happened."""
    with own_gateway.client(order_timeout=20.0) as client:
        order = {
            "action": mt5.TRADE_ACTION_DEAL,
            "symbol": "EURUSD",
            "volume": 0.01,
            "type": mt5.ORDER_TYPE_BUY,
            "price": client.symbol_info_tick("EURUSD").ask,
            "deviation": 1_000,
            "type_filling": mt5.ORDER_FILLING_FOK,
        }
        victims = [process for process in own_gateway.processes() if not is_over(process) and role in process.cmdline()]
        for victim in victims:
            victim.suspend()
        caught: list[BaseException] = []

        def send() -> None:
            try:
                client.order_send(order)
            except GatewayError as error:
                caught.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(0.3)
        for victim in victims:
            victim.kill()
        thread.join(60.0)
        assert not thread.is_alive()
        assert isinstance(caught[0], (OutcomeUnknown, Refused)), caught
        if role != "simulator":  # whose books end with it
            wait_until(lambda: answers(own_gateway), f"an answer after the {role} was lost")
            with own_gateway.client() as other:
                assert len(other.positions_get()) <= 1


def test_orderly_end_leaves_nothing(own_gateway: Any) -> None:
    assert trades(own_gateway)
    assert own_gateway.stop() == 0
    assert own_gateway.left_behind() == []


def test_second_gateway_on_the_same_folder_is_refused(own_gateway: Any) -> None:
    second = own_gateway.command("run", "--state-dir", str(own_gateway.state_dir), check=False)
    assert second.returncode != 0
    assert str(own_gateway.process.pid) in second.stderr + second.stdout
    assert answers(own_gateway)

"""The adapter to the real package, over a stand-in that has its quirks."""

import sys
import types

import pytest

from gateway.terminal.metatrader5 import DROP_IN, FUNCTIONS, MetaTrader5Terminal
from gateway.terminal.port import Login
from gateway.wire.arguments import CALLS


class Package(types.ModuleType):
    """Records calls; `order_send` minds how it is called, as C code that looks at the keywords' pointer does."""

    def __init__(self):
        super().__init__("MetaTrader5")
        self.calls = []

    def initialize(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return True

    def order_send(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return "result"

    def copy_rates_from_pos(self, *args):
        raise SystemError("returned a result with an exception set") from TypeError("an integer is required")

    def version(self):
        raise SystemError("something else")

    def last_error(self):
        return 1, "Success"

    def shutdown(self):
        self.calls.append("shutdown")
        return True


@pytest.fixture
def package(monkeypatch):
    made = Package()
    monkeypatch.setitem(sys.modules, "MetaTrader5", made)
    return made


def test_drop_in_is_no_terminal(monkeypatch):
    monkeypatch.setitem(sys.modules, "MetaTrader5", types.ModuleType(DROP_IN))

    with pytest.raises(ImportError, match="drop-in"):
        MetaTrader5Terminal()


def test_package_is_imported_when_a_terminal_is_made(monkeypatch):
    monkeypatch.setitem(sys.modules, "MetaTrader5", None)

    with pytest.raises(ImportError):
        MetaTrader5Terminal()


@pytest.mark.parametrize(
    ("login", "args", "kwargs"),
    [
        (Login(), (), {"timeout": 60_000}),
        (
            Login("C:/terminal64.exe", 7, "secret", "Server", 5_000, True),
            ("C:/terminal64.exe",),
            {"timeout": 5_000, "login": 7, "password": "secret", "server": "Server", "portable": True},
        ),
    ],
)
def test_initialize_passes_only_what_is_set(package, login, args, kwargs):
    assert MetaTrader5Terminal().initialize(login) is True
    assert package.calls == [(args, kwargs)]


def test_call_passes_arguments_on(package):
    terminal = MetaTrader5Terminal()

    assert terminal.call("order_send", ({"action": 1},), {}) == "result"
    assert terminal.call("order_send", (), {"action": 1}) == "result"
    assert package.calls == [(({"action": 1},), {}), ((), {"action": 1})]


def test_pending_exception_is_raised_itself(package):
    with pytest.raises(TypeError, match="an integer is required"):
        MetaTrader5Terminal().call("copy_rates_from_pos", (1, 2, 3), {})


def test_other_system_error_stays(package):
    with pytest.raises(SystemError):
        MetaTrader5Terminal().call("version", (), {})


@pytest.mark.parametrize("name", ["Buy", "__dict__", "calls", "_core"])
def test_nothing_else_of_the_package_can_be_called(package, name):
    with pytest.raises(AttributeError):
        MetaTrader5Terminal().call(name, (), {})


def test_last_error_and_shutdown_are_the_packages(package):
    terminal = MetaTrader5Terminal()
    terminal.shutdown()

    assert terminal.last_error() == (1, "Success")
    assert package.calls == ["shutdown"]


def test_both_terminals_know_the_same_functions():
    assert set(CALLS) == FUNCTIONS

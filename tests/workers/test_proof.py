"""What a proof permits."""

import dataclasses

import pytest

from gateway.workers.proof import Expected, Proof, mismatch, mode_mismatch, obstacle

PROOF = Proof(
    login=1,
    server="Demo",
    path="C:\\Terminals\\One",
    trade_mode=0,
    margin_mode=2,
    currency="EUR",
    company="Company",
    build=4000,
    connected=True,
    terminal_trade_allowed=True,
    tradeapi_disabled=False,
    account_trade_allowed=True,
    trade_expert=True,
)


def test_sound_account_has_no_obstacle() -> None:
    assert obstacle(PROOF) == ""


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("connected", False, "offline"),
        ("terminal_trade_allowed", False, "AlgoTrading"),
        ("tradeapi_disabled", True, "Python API"),
        ("account_trade_allowed", False, "investor password"),
        ("trade_expert", False, "trade server"),
    ],
)
def test_every_obstacle_is_named(field: str, value: bool, text: str) -> None:
    assert text in obstacle(dataclasses.replace(PROOF, **{field: value}))


def test_open_expectation_fits_every_account_and_then_holds_to_it() -> None:
    assert mismatch(Expected(), 1, "Demo", "/anywhere") == ""
    held = PROOF.held(Expected())
    assert mismatch(held, 1, "Demo", PROOF.path) == ""
    assert "found 2 on Demo" in mismatch(held, 2, "Demo", PROOF.path)
    assert "found 1 on Real" in mismatch(held, 1, "Real", PROOF.path)
    assert "terminal" in mismatch(held, 1, "Demo", "C:\\Terminals\\Two")


def test_declared_account_wins_over_the_proven_one() -> None:
    assert mismatch(Expected(login=7), 1, "Demo") == "account: expected 7 on any server, found 1 on Demo"
    assert PROOF.held(Expected(login=7)).login == 7


@pytest.mark.parametrize(
    ("executable", "path", "fits"),
    [
        ("C:\\Terminals\\One\\terminal64.exe", "c:\\terminals\\one", True),
        ("C:/Terminals/One/terminal64.exe", "C:\\Terminals\\One\\", True),
        ("C:\\Terminals\\One\\terminal64.exe", "C:\\Terminals\\Two", False),
        ("/opt/one/terminal64.exe", "/opt/one", True),
    ],
)
def test_terminal_is_known_by_the_folder_of_its_executable(executable: str, path: str, fits: bool) -> None:
    assert (mismatch(Expected(executable=executable), 1, "Demo", path) == "") is fits


@pytest.mark.parametrize(("declared", "trade_mode", "fits"), [("demo", 0, True), ("demo", 2, False), ("real", 2, True)])
def test_mode_is_compared(declared: str, trade_mode: int, fits: bool) -> None:
    proof = dataclasses.replace(PROOF, trade_mode=trade_mode)
    assert (mode_mismatch(Expected(mode=declared), proof) == "") is fits
    assert mode_mismatch(Expected(), proof) == ""
    assert "trade_mode 9" in mode_mismatch(Expected(mode="demo"), dataclasses.replace(PROOF, trade_mode=9))


def test_proof_travels_whole() -> None:
    assert PROOF.to_wire() == dataclasses.asdict(PROOF)

"""The parser for MetaTrader 5 tick exports."""

from pathlib import Path

import pytest

from gateway.terminal.simulated.market.export import ExportError, parse, read, symbol_of

HEADER = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n"
FIRST = "2020.01.01\t22:00:00.065\t1.12120\t1.12172\t\t\t6\n"


def parsed(*lines: str):
    return parse([HEADER, *lines], "file.csv", "EURUSD")


def test_fields_come_out_as_ticks():
    ticks = parsed(FIRST).ticks

    assert ticks[0].item() == (1577916000, 1.1212, 1.12172, 0.0, 0, 1577916000065, 6, 0.0)


def test_empty_price_is_unchanged():
    ticks = parsed(
        FIRST,
        "2020.01.01\t22:00:01.000\t\t1.12192\t\t\t4\n",
        "2020.01.01\t22:00:01.000\t1.12117\t\t\t\t2\n",
    ).ticks

    assert ticks["bid"].tolist() == [1.1212, 1.1212, 1.12117]
    assert ticks["ask"].tolist() == [1.12172, 1.12192, 1.12192]
    assert ticks["flags"].tolist() == [6, 4, 2]


def test_price_before_its_first_value_is_zero():
    assert parsed("2020.01.01\t22:00:00.000\t\t1.5\t\t\t4\n").ticks["bid"][0] == 0.0


def test_volume_is_whole_and_real():
    tick = parsed("2020.01.01\t22:00:00.000\t10.5\t10.6\t10.55\t2.75\t56\n").ticks[0]

    assert (tick["last"], tick["volume"], tick["volume_real"]) == (10.55, 2, 2.75)


def test_digits_are_the_most_that_any_price_shows():
    assert parsed(FIRST).digits == 5
    assert parsed("2020.01.01\t22:00:00.000\t109\t109.25\t\t\t6\n").digits == 2


def test_header_alone_is_an_empty_export():
    assert len(parsed().ticks) == 0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("2020.01.01\t22:00:00.065\t1.1\n", "expected 7 tab-separated fields, got 3"),
        ("2020-01-01\t22:00:00.065\t1.1\t1.2\t\t\t6\n", "DATE"),
        ("2020.02.30\t22:00:00.065\t1.1\t1.2\t\t\t6\n", "DATE"),
        ("2020.13.01\t22:00:00.065\t1.1\t1.2\t\t\t6\n", "DATE"),
        ("2020.01.01\t24:00:00.065\t1.1\t1.2\t\t\t6\n", "TIME"),
        ("2020.01.01\t22:00:00,065\t1.1\t1.2\t\t\t6\n", "TIME"),
        ("2020.01.01\t22:00:00.065\tx\t1.2\t\t\t6\n", "BID"),
        ("2020.01.01\t22:00:00.065\t1.1\t-1.2\t\t\t6\n", "ASK"),
        ("2020.01.01\t22:00:00.065\t1.1\tnan\t\t\t6\n", "ASK"),
        ("2020.01.01\t22:00:00.065\t1.1\t1.2\tinf\t\t6\n", "LAST"),
        ("2020.01.01\t22:00:00.065\t1.1\t1.2\t\t?\t6\n", "VOLUME"),
        ("2020.01.01\t22:00:00.065\t1.1\t1.2\t\t\t\n", "FLAGS"),
        ("2020.01.01\t22:00:00.065\t1.1\t1.2\t\t\t-6\n", "FLAGS"),
        ("2020.01.01\t21:59:59.999\t1.1\t1.2\t\t\t6\n", "ascend"),
    ],
)
def test_bad_line_is_named_with_file_and_line(line: str, complaint: str):
    with pytest.raises(ExportError, match=r"^file\.csv:3: .*" + complaint):
        parsed(FIRST, line)


@pytest.mark.parametrize("lines", [[], [FIRST], ["<DATE>,<TIME>,<BID>,<ASK>,<LAST>,<VOLUME>,<FLAGS>\n"]])
def test_missing_header_is_refused(lines: list[str]):
    with pytest.raises(ExportError, match=r"^file\.csv:1: expected the header"):
        parse(lines, "file.csv", "EURUSD")


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("EURUSD_ticks.csv", "EURUSD"),
        ("EURUSD.csv", "EURUSD"),
        ("/some/where/EURUSD_202001012200_202001020400.csv", "EURUSD"),
        ("US500", "US500"),
    ],
)
def test_symbol_is_the_file_name_up_to_the_first_underscore(name: str, symbol: str):
    assert symbol_of(name) == symbol


def test_file_without_a_symbol_is_refused():
    with pytest.raises(ExportError):
        symbol_of("_ticks.csv")


def test_file_with_byte_order_mark_and_crlf_is_read(tmp_path: Path):
    path = tmp_path / "EURUSD_ticks.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + FIRST).replace("\n", "\r\n").encode())

    export = read(path)

    assert (export.symbol, len(export.ticks)) == ("EURUSD", 1)


def test_file_that_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "EURUSD.csv"
    path.write_bytes((HEADER + FIRST).encode("utf-16"))

    with pytest.raises(ExportError, match="UTF-8"):
        read(path)

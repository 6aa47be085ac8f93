"""The parser for MetaTrader 5 bar exports."""

from pathlib import Path

import pytest

from gateway.terminal.simulated.market.bar_export import parse_bars, read_bars
from gateway.terminal.simulated.market.export import ExportError

HEADER = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
FIRST = "2020.01.01\t22:00:00\t1.12120\t1.12172\t1.12100\t1.12150\t37\t5\t8\n"


def parsed(*lines: str):
    return parse_bars([HEADER, *lines], "file.csv", "EURUSD")


def test_fields_come_out_as_bars():
    export = parsed(FIRST, FIRST.replace("22:00", "22:01"))

    assert export.bars[0].item() == (1577916000, 1.1212, 1.12172, 1.121, 1.1215, 37, 8, 5)
    assert export.bars["time"].tolist() == [1577916000, 1577916060]
    assert (export.symbol, export.digits, export.first_msc) == ("EURUSD", 5, 1577916000000)


def test_header_alone_is_an_empty_export():
    assert (len(parsed().bars), parsed().first_msc) == (0, None)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("2020.01.01\t22:01:00\t1.1\n", "expected 9 tab-separated fields, got 3"),
        ("2020-01-01\t22:01:00\t1.2\t1.2\t1.2\t1.2\t1\t0\t0\n", "DATE"),
        ("2020.01.01\t25:01:00\t1.2\t1.2\t1.2\t1.2\t1\t0\t0\n", "TIME"),
        ("2020.01.01\t22:01:30\t1.2\t1.2\t1.2\t1.2\t1\t0\t0\n", "TIME: expected a whole minute"),
        ("2020.01.01\t22:01:00\tx\t1.2\t1.2\t1.2\t1\t0\t0\n", "OPEN"),
        ("2020.01.01\t22:01:00\t1.2\t1.1\t1.2\t1.2\t1\t0\t0\n", "between LOW and HIGH"),
        ("2020.01.01\t22:01:00\t1.2\t1.3\t1.25\t1.3\t1\t0\t0\n", "between LOW and HIGH"),
        ("2020.01.01\t22:01:00\t0\t0\t0\t0\t1\t0\t0\n", "prices above 0"),
        ("2020.01.01\t22:01:00\t1.2\tinf\t1.2\t1.2\t1\t0\t0\n", "HIGH"),
        ("2020.01.01\t22:01:00\t1.2\t1.2\t1.2\t1.2\t0\t0\t0\n", "TICKVOL"),
        ("2020.01.01\t22:01:00\t1.2\t1.2\t1.2\t1.2\t1\t-1\t0\n", "VOL"),
        ("2020.01.01\t22:01:00\t1.2\t1.2\t1.2\t1.2\t1\t0\t1.5\n", "SPREAD"),
        (FIRST, "ascend"),
        (FIRST.replace("22:00", "21:00"), "ascend"),
    ],
)
def test_bad_line_is_named_with_file_and_line(line: str, complaint: str):
    with pytest.raises(ExportError, match=r"^file\.csv:3: .*" + complaint):
        parsed(FIRST, line)


@pytest.mark.parametrize("lines", [[], [FIRST], ["<DATE>\t<TIME>\t<BID>\t<ASK>\n"]])
def test_missing_header_is_refused(lines: list[str]):
    with pytest.raises(ExportError, match=r"^file\.csv:1: expected the header"):
        parse_bars(lines, "file.csv", "EURUSD")


def test_bars_longer_than_a_minute_are_refused():
    with pytest.raises(ExportError, match=r"expected M1 bars, got none less than 3600 seconds apart"):
        parsed(FIRST, FIRST.replace("22:00", "23:00"))


def test_file_with_byte_order_mark_and_crlf_is_read(tmp_path: Path):
    path = tmp_path / "EURUSD_M1_202001012200.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + FIRST).replace("\n", "\r\n").encode())

    assert (read_bars(path).symbol, len(read_bars(path).bars)) == ("EURUSD", 1)


def test_file_that_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "EURUSD.csv"
    path.write_bytes((HEADER + FIRST).encode("utf-16"))

    with pytest.raises(ExportError, match="UTF-8"):
        read_bars(path)

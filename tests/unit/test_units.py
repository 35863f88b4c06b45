"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horus_supervisor.config.units import (
    LARGEST,
    LONGEST_S,
    UnitError,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    whole_mebibytes,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("25s", 25),
        ("10m", 600),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("0s", 0),
        ("1.5s", 1.5),
        ("1d1h1m1s1ms", 90_061.001),
        (" 5s ", 5),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "25 s", "-1s", "30m1h", "1s1s", "1w", "1H", "1e3s", "٣s", "inf", "5s5"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UnitError, match='such as "250ms"'):
        parse_duration(text)


def test_a_number_without_unit_is_answered_with_what_to_write() -> None:
    with pytest.raises(UnitError, match='write "25s"'):
        parse_duration("25")
    with pytest.raises(UnitError, match='write "512MiB"'):
        parse_size("512")


def test_a_duration_of_more_than_ten_years_is_refused() -> None:
    assert parse_duration("3650d") == LONGEST_S
    for text in ("3650d1s", "9" * 400 + "s"):
        with pytest.raises(UnitError, match="ten years"):
            parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * 2**20),
        ("512MB", 512 * 10**6),
        ("256KiB", 2**18),
        ("1.5GiB", 3 * 2**29),
        ("1 TiB", 2**40),
        ("1024TiB", 2**50),
        ("1.005kB", 1005),
        ("7B", 7),
        ("1kB", 1000),
        ("512mib", 512 * 2**20),
    ],
)
def test_a_size_is_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1MiB", "1M", "1 XB", "1MiB1KiB", "1e3B"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UnitError, match='such as "512MiB"'):
        parse_size(text)


def test_a_size_beyond_any_machine_is_refused() -> None:
    for text in ("1025TiB", "9" * 400 + "MB"):
        with pytest.raises(UnitError, match="1024TiB"):
            parse_size(text)


@given(st.integers(0, int(LONGEST_S * 1000)))
def test_a_duration_survives_being_written_and_read(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 1 << 20).flatmap(lambda n: st.sampled_from([n, n << 10, n << 20, n * 1000])))
def test_a_size_survives_being_written_and_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_sizes_and_durations_are_written_with_the_largest_unit_that_fits() -> None:
    assert [format_size(size) for size in (0, 1 << 20, 10**9, 1 << 50)] == [
        "0B",
        "1MiB",
        "1GB",
        "1024TiB",
    ]
    assert LARGEST == 1 << 50
    assert [whole_mebibytes(size) for size in (0, 1, 40 << 20, (40 << 20) + 1)] == [
        "0B",
        "1MiB",
        "40MiB",
        "41MiB",
    ]
    assert [format_duration(s) for s in (0, 0.25, 5400, 86_400)] == ["0s", "250ms", "1h30m", "1d"]

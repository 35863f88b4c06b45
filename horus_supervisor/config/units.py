"""Durations and sizes as people write them: ``"1h30m"`` and seconds, ``"512MiB"`` and bytes.

Never takes a bare number: 25 of what? The error shows how to write it.
"""

from __future__ import annotations

import re

DURATIONS = 'a duration such as "250ms", "25s", "10m", "1h30m" or "2d"'
SIZES = 'a size such as "512MiB" (2²⁰ bytes) or "512MB" (10⁶)'

LONGEST_S = 10 * 365 * 86400.0
"""Ten years: what is longer is a slip of the finger, and would overflow clocks further on."""

LARGEST = 1 << 50

_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_BYTES: dict[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
}
_UNIT_OF_LOWER = {unit.lower(): unit for unit in _BYTES}

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_BARE = re.compile(_NUMBER)
_DURATION = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit in _MS))
_SIZE = re.compile(f"({_NUMBER}) ?([A-Za-z]+)")


class UnitError(ValueError):
    """Not a duration, or not a size; the message says what is allowed, in words."""


def parse_duration(text: str) -> float:
    """Turn ``"1h30m"`` into seconds; at most ten years. Raises: ``UnitError``.

    The units ``d h m s ms`` come once each, the largest first; numbers may have a fraction.
    """
    text = text.strip()
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise UnitError(_instead(text, "s") or f"allowed is {DURATIONS}")
    parts = zip(found.groups(), _MS.values(), strict=True)
    seconds = sum(float(number) * unit for number, unit in parts if number) / 1000
    if seconds > LONGEST_S:
        raise UnitError("allowed are at most ten years")
    return seconds


def format_duration(seconds: float) -> str:
    """Turn seconds into text that ``parse_duration`` reads back, to the millisecond."""
    left = round(seconds * 1000)
    words = []
    for unit, size in _MS.items():
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def parse_size(text: str) -> int:
    """Turn ``"512MiB"`` into bytes; at most 1024 TiB. Raises: ``UnitError``."""
    text = text.strip()
    found = _SIZE.fullmatch(text)
    unit = _UNIT_OF_LOWER.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise UnitError(_instead(text, "MiB") or f"allowed is {SIZES}")
    size = float(found[1]) * _BYTES[unit]
    if size > LARGEST:
        raise UnitError(f"allowed is at most {format_size(LARGEST)}")
    return round(size)


def format_size(size: int) -> str:
    """Turn bytes into text that ``parse_size`` reads back exactly: the largest unit that fits."""
    fits = (unit for unit, factor in _BYTES.items() if size and size % factor == 0)
    unit = max(fits, key=lambda unit: _BYTES[unit], default="B")
    return f"{size // _BYTES[unit]}{unit}"


def whole_mebibytes(size: int) -> str:
    """Turn bytes into text for people: what is over a limit by a byte is shown as over it."""
    return format_size(-(-size // _BYTES["MiB"]) * _BYTES["MiB"])


def _instead(text: str, unit: str) -> str | None:
    """Tell what to write for a number that lacks its unit."""
    if not _BARE.fullmatch(text):
        return None
    return f'a bare number has no unit: write "{text}{unit}"'

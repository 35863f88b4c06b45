"""Whether a value comes back from JSON as it was: a function for each kind of type.

Strict on purpose: a str in a UUID's place, a datetime without a zone or NaN would be read as
something else, or not at all, hours later in a runner; here it is refused in its caller's stack.
Knows types, not annotations: ``fields`` picks the checks.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

Check = Callable[[Any], None]
"""Returns for a value that can travel; raises ``Misfit`` for another one."""

_SHOWN = 80
_MISSING = object()


class Misfit(Exception):
    """A value is not what its annotation says; ``path`` leads to it, outermost step first."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found
        self.path: list[str] = []

    def below(self, step: str) -> Misfit:
        """Put a step in front of the path."""
        self.path.insert(0, step)
        return self


def describe(value: object) -> str:
    """Show a value and its type, briefly, whatever its ``__repr__`` does."""
    kind = type(value).__qualname__
    try:
        text = repr(value)
    except Exception:
        return f"a {kind}"
    return f"{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'} ({kind})"


# --- single values ---------------------------------------------------------------------------


def exactly(kind: type) -> Check:
    """Take instances of ``kind`` itself: what a subclass adds would not come back."""
    expected = kind.__qualname__

    def check(value: Any) -> None:
        if type(value) is not kind:
            raise Misfit(expected, describe(value))

    return check


def one_of(allowed: Iterable[Any], expected: str) -> Check:
    """Take these values; 1 is not True."""
    pairs = frozenset((type(value), value) for value in allowed)
    kinds = frozenset(kind for kind, _ in pairs)

    def check(value: Any) -> None:
        kind = type(value)
        if kind not in kinds or (kind, value) not in pairs:
            raise Misfit(expected, describe(value))

    return check


def text(value: Any) -> None:
    """Take a str that UTF-8 can write: no lone surrogates."""
    if type(value) is not str:
        raise Misfit("str", describe(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Misfit("str without lone surrogates", describe(value)) from None


def real(value: Any) -> None:
    """Take a finite float."""
    if type(value) is not float or not math.isfinite(value):
        raise Misfit("a finite float", describe(value))


def number(value: Any) -> None:
    """Take a finite float, or an int that is the same number as a float."""
    if type(value) is not int:
        real(value)
    elif abs(value) > 2**53 and not _is_float(value):
        raise Misfit("an int that a float can hold", describe(value))


def _is_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def decimal(value: Any) -> None:
    """Take a Decimal that is neither NaN nor infinite."""
    if type(value) is not Decimal or not value.is_finite():
        raise Misfit("a finite Decimal", describe(value))


def moment(value: Any) -> None:
    """Take a datetime with a zone; RFC 3339 has no offsets of odd seconds."""
    offset = value.utcoffset() if type(value) is datetime else None
    if offset is None:
        raise Misfit("a datetime with a zone", describe(value))
    if offset.microseconds or offset.seconds % 60:
        raise Misfit("a datetime whose offset from UTC is whole minutes", describe(value))


def plain(value: Any) -> None:
    """Take what JSON itself has: None, bool, int, float, str, and lists and dicts of these."""
    kind = type(value)
    if kind is list:
        _plain_list(value)
    elif kind is dict:
        _plain_dict(value)
    elif kind is str:
        text(value)
    elif kind is float:
        real(value)
    elif kind not in _PLAIN:
        raise Misfit("None, bool, int, float, str, list or dict", describe(value))


_PLAIN = frozenset((types.NoneType, bool, int))


# --- values of values ------------------------------------------------------------------------


def optional(check_some: Check) -> Check:
    """Take None, and what ``check_some`` takes."""

    def check(value: Any) -> None:
        if value is not None:
            check_some(value)

    return check


def either(checks: list[Check], expected: str) -> Check:
    """Take what one of ``checks`` takes."""

    def check(value: Any) -> None:
        for check_one in checks:
            try:
                check_one(value)
            except Misfit:
                continue
            return
        raise Misfit(expected, describe(value))

    return check


def sequence(kind: type[Any], check_item: Check) -> Check:
    """Take a list, tuple, set or frozenset, ``kind``, of any length."""
    expected = f"a {kind.__name__}"

    def check(value: Any) -> None:
        if type(value) is not kind:
            raise Misfit(expected, describe(value))
        index = 0
        try:
            for item in value:
                check_item(item)
                index += 1
        except Misfit as misfit:
            raise misfit.below(f"[{index}]") from None

    return check


def row(checks: list[Check]) -> Check:
    """Take a tuple with as many values as ``checks``."""
    expected = f"a tuple of {len(checks)}"

    def check(value: Any) -> None:
        if type(value) is not tuple or len(value) != len(checks):
            raise Misfit(expected, describe(value))
        for index, check_item in enumerate(checks):
            try:
                check_item(value[index])
            except Misfit as misfit:
                raise misfit.below(f"[{index}]") from None

    return check


def mapping(check_key: Check, check_value: Check) -> Check:
    """Take a dict."""

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Misfit("a dict", describe(value))
        key: Any = None
        try:
            for key, item in value.items():
                check_key(key)
                check_value(item)
        except Misfit as misfit:
            raise misfit.below(f"[{describe(key)}]") from None

    return check


def record(kind: type, checks: list[tuple[str, Check]]) -> Check:
    """Take an instance of the dataclass ``kind``; ``checks`` may be filled later, for trees."""
    expected = kind.__qualname__

    def check(value: Any) -> None:
        if type(value) is not kind:
            raise Misfit(expected, describe(value))
        name = ""
        try:
            for name, check_field in checks:
                item = getattr(value, name, _MISSING)
                if item is _MISSING:
                    raise Misfit("a value", "none at all")
                check_field(item)
        except Misfit as misfit:
            raise misfit.below(f".{name}") from None

    return check


_plain_list = sequence(list, plain)
_plain_dict = mapping(text, plain)

SIMPLE: dict[Any, Check] = {
    str: text,
    int: exactly(int),
    bool: exactly(bool),
    float: number,
    bytes: exactly(bytes),
    datetime: moment,
    date: exactly(date),
    timedelta: exactly(timedelta),
    UUID: exactly(UUID),
    Decimal: decimal,
    types.NoneType: one_of([None], "None"),
    None: one_of([None], "None"),
    Any: plain,
    object: plain,
}
"""The types that need no look inside their annotation."""

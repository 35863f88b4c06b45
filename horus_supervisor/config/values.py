"""Kinds of values in the TOML file: what each accepts, and what is said of anything else.

A kind reads one value. It never sees its key or its file: ``load`` puts those in front.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, time
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from horus_supervisor.address import AddressError, parse_url
from horus_supervisor.config.units import (
    DURATIONS,
    LARGEST,
    SIZES,
    UnitError,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from horus_supervisor.ids import NAMESPACES, QUEUE_NAMES, valid_namespace, valid_queue_name

T = TypeVar("T")

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 60


class WrongValue(ValueError):
    """A value that its kind refuses; the message says what is allowed.

    ``at``: the place inside it that is meant, if any. Several come as an ``ExceptionGroup``.
    """

    def __init__(self, why: str, *at: str | int) -> None:
        super().__init__(why)
        self.at = at


class Kind(Protocol):
    """What a key may hold. ``word`` names the type in the documentation."""

    @property
    def word(self) -> str: ...

    def read(self, value: object) -> object:
        """Turn a TOML value into ours. Raises: ``WrongValue``, or a group of them."""


def show(value: object) -> str:
    """Write a TOML value as its author did, shortened: ``25``, ``"25s"``, ``true``, ``a table``."""
    match value:
        case bool():
            return str(value).lower()
        case str() if "://" in value and ("@" in value or "?" in value):
            return "a URL"  # with a password, it may be, whatever key it stands under
        case str():
            text = f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}…"'
            return text.replace("\n", "\\n")
        case list():
            inside = ", ".join(map(show, value))
            return f"[{inside}]" if len(inside) <= _SHOWN else f"an array of {len(value)}"
        case dict():
            return "a table" if value else "{}"
        case date() | time():
            return f"the date or time {value}"
    return str(value)


class Text(msgspec.Struct, frozen=True):
    """A string that is not empty and can be printed."""

    word: str = "string"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value or not value.isprintable():
            raise WrongValue("allowed is a string of printable characters, not empty")
        return value


class Namespace(msgspec.Struct, frozen=True):
    """A string of the characters that namespaces are made of."""

    word: str = "string"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not valid_namespace(value):
            raise WrongValue(f"allowed are {NAMESPACES}")
        return value


class Word(msgspec.Struct, frozen=True):
    """One of a few strings."""

    choices: tuple[str, ...]

    @property
    def word(self) -> str:
        return " or ".join(f'"{choice}"' for choice in self.choices)

    def read(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise WrongValue(f"allowed is {self.word}")
        return value


class Flag(msgspec.Struct, frozen=True):
    """true or false; a string or a number is neither."""

    word: str = "true or false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise WrongValue("allowed is true or false, without quotes")
        return value


class Count(msgspec.Struct, frozen=True):
    """A whole number."""

    least: int = 0
    most: int = 1_000_000_000
    word: str = "whole number"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongValue(f"allowed is a whole number, {self.least} or more")
        if value < self.least:
            raise WrongValue(f"allowed is {self.least} or more")
        if value > self.most:
            raise WrongValue(f"allowed is {self.most} or less")
        return value


class Duration(msgspec.Struct, frozen=True):
    """Seconds, written with a unit."""

    least_s: float = 0.0
    word: str = "duration"

    def read(self, value: object) -> float:
        if not isinstance(value, str):
            raise WrongValue(_with_unit(value, "s", DURATIONS))
        try:
            seconds = parse_duration(value)
        except UnitError as error:
            raise WrongValue(str(error)) from None
        if seconds < self.least_s:
            raise WrongValue(f'allowed is "{format_duration(self.least_s)}" or more')
        return seconds


class Size(msgspec.Struct, frozen=True):
    """Bytes, written with a unit."""

    least: int = 1
    most: int = LARGEST
    word: str = "size"

    def read(self, value: object) -> int:
        if not isinstance(value, str):
            raise WrongValue(_with_unit(value, "MiB", SIZES))
        try:
            size = parse_size(value)
        except UnitError as error:
            raise WrongValue(str(error)) from None
        if not self.least <= size <= self.most:
            low, high = format_size(self.least), format_size(self.most)
            raise WrongValue(f'allowed is "{low}" to "{high}"')
        return size


class OrNone(msgspec.Struct, frozen=True):
    """What another kind takes, or ``"none"``, which reads as None: a limit that does not hold."""

    kind: Kind

    @property
    def word(self) -> str:
        return f'{self.kind.word} or "none"'

    def read(self, value: object) -> object:
        if value == "none":
            return None
        try:
            return self.kind.read(value)
        except WrongValue as error:
            raise WrongValue(f'{error}, or "none"') from None


class Texts(msgspec.Struct, frozen=True):
    """An array of strings, none twice."""

    word: str = "array of strings"

    def read(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            raise WrongValue(f"allowed is an array of strings: write [{show(value)}]")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise WrongValue("allowed is an array of strings")
        texts = read_each(lambda _, item: Text().read(item), enumerate(value))
        refuse_repeated(texts)
        return tuple(texts)


class Modules(msgspec.Struct, frozen=True):
    """An array of names of Python modules."""

    word: str = "array of module names"

    def read(self, value: object) -> tuple[str, ...]:
        return tuple(read_each(self._name, enumerate(Texts().read(value))))

    def _name(self, at: str | int, name: object) -> str:
        text = str(name)
        if _MODULE.fullmatch(text) and not text.endswith(".py"):
            return text
        dotted = text.removesuffix(".py").strip("./").replace("/", ".")
        hint = f": write {show(dotted)}" if _MODULE.fullmatch(dotted) else ""
        raise WrongValue(f"{show(text)} is not the name of a module{hint}", at)


class Served(msgspec.Struct, frozen=True):
    """Names of queues, as an array, or as a table of weights. Reads as names and weights."""

    word: str = "array of queue names, or table of queue = weight"

    def read(self, value: object) -> tuple[tuple[str, ...], tuple[int, ...]]:
        match value:
            case list():
                names = read_each(self._queue, enumerate(value))
                weights = [1] * len(names)
            case dict():
                weights = read_each(self._weight, value.items())
                names = list(value)
            case str():
                raise WrongValue(f"allowed is an array: write [{show(value)}]")
            case _:
                raise WrongValue(f"allowed is an {self.word}")
        if not names:
            raise WrongValue("a group serves at least one queue")
        refuse_repeated(names)
        return tuple(names), tuple(weights)

    def _queue(self, at: str | int, name: object) -> str:
        if not isinstance(name, str) or not valid_queue_name(name):
            raise WrongValue(f"{show(name)} is no name for a queue: allowed are {QUEUE_NAMES}", at)
        return name

    def _weight(self, name: str | int, weight: object) -> int:
        self._queue(name, name)
        if isinstance(weight, dict) and weight:
            raise WrongValue(with_a_dot(str(name), weight), name)
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= 1000:
            raise WrongValue("a weight is a whole number from 1 to 1000", name)
        return weight


class Variables(msgspec.Struct, frozen=True):
    """A table of environment variables; what is said of one never quotes its value."""

    most: int = 16 * 1024
    word: str = "table of strings"

    def read(self, value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, dict):
            raise WrongValue('allowed is a table of strings: { NAME = "value" }')
        read_each(self._variable, value.items())
        if sum(len(f"{name}={text}".encode()) for name, text in value.items()) > self.most:
            raise WrongValue(f"allowed are {self.most} bytes in all")
        return tuple(value.items())

    def _variable(self, name: str | int, text: object) -> None:
        if not _VARIABLE.fullmatch(str(name)) or name == "HORUS_RUNNER":
            raise WrongValue("a variable has a name of A-Z a-z 0-9 _, and not HORUS_RUNNER", name)
        if not isinstance(text, str) or "\0" in text:
            raise WrongValue("allowed is a string, in quotes, without NUL", name)


class RedisUrl(msgspec.Struct, frozen=True):
    """Where Redis is; what is said of it never quotes it, as it may hold a password."""

    word: str = "URL"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable():
            raise WrongValue("allowed is a string of printable characters")
        try:
            parse_url(value, base=Path("/"))  # where it is relative to is not known here
        except AddressError as error:
            raise WrongValue(f"{error} (not shown: what is there)") from None
        return value


class SecretFile(msgspec.Struct, frozen=True):
    """The path of a file with a URL in it; a URL in its place is not quoted."""

    word: str = "path"

    def read(self, value: object) -> str:
        if isinstance(value, str) and "://" in value:
            raise WrongValue("allowed is the path of a file; a URL goes into redis.url")
        return Text().read(value)


def read_each(
    read: Callable[[str | int, object], T], items: Iterable[tuple[str | int, object]]
) -> list[T]:
    """Read what stands at each place. Raises: all ``WrongValue`` of it, as a group."""
    values, wrong = [], []
    for at, item in items:
        try:
            values.append(read(at, item))
        except WrongValue as error:
            wrong.append(WrongValue(str(error), at))
    if wrong:
        raise ExceptionGroup("wrong values", wrong)
    return values


def refuse_repeated(names: Sequence[str]) -> None:
    """Refuse a name that is there already. Raises: ``WrongValue``, at the second one."""
    for at, name in enumerate(names):
        if name in names[:at]:
            raise WrongValue(f"{show(name)} is there twice", at)


def with_a_dot(name: str, value: dict[str, object]) -> str:
    """Say what to write instead of ``mail.fast = 3``, which is a table ``mail``."""
    inner, number = next(iter(value.items()))
    while isinstance(number, dict) and number:
        deeper, number = next(iter(number.items()))
        inner = f"{inner}.{deeper}"
    example = number if isinstance(number, int) else 1
    return f'a name with a dot needs quotes: write "{name}.{inner}" = {example}'


def _with_unit(value: object, unit: str, allowed: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST:
        return f'a bare number has no unit: write "{value}{unit}"'
    return f"allowed is {allowed}"

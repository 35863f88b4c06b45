"""Whatever a job's fields may hold comes back as it was, type by type."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, Literal, Optional
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from horus_supervisor.job import definition
from horus_supervisor.job.codec import decode, encode
from horus_supervisor.job.definition import Job
from tests.support.patience import BUSY


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Unit(StrEnum):
    M = "m"


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0


@dataclass(slots=True)
class Place:
    name: str
    at: Point
    since: datetime | None = None
    tags: list[Colour] = field(default_factory=list)
    inside: list[Place] = field(default_factory=list)


ZONES = st.one_of(
    st.just(UTC),
    st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
POINTS = st.builds(Point, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
PLACES = st.recursive(
    st.builds(Place, st.text(), POINTS, st.none() | st.datetimes(timezones=ZONES)),
    lambda inner: st.builds(
        Place,
        st.text(),
        POINTS,
        st.none(),
        st.lists(st.sampled_from(Colour), max_size=2),
        st.lists(inner, max_size=2),
    ),
    max_leaves=4,
)

Typed = tuple[Any, st.SearchStrategy[Any]]
"""An annotation and the values that it stands for."""

KEYS: list[Typed] = [
    (str, st.text()),
    (int, st.integers()),
    (UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (datetime, st.datetimes(timezones=ZONES)),
    (date, st.dates()),
    (bytes, st.binary()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Unit, st.sampled_from(Unit)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
]
SINGLE: list[Typed] = [
    *KEYS,
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (timedelta, st.timedeltas()),
    (type(None), st.none()),
    (Literal["a", 1, None, True], st.sampled_from(["a", 1, None, True])),
    (Point, POINTS),
    (Place, PLACES),
    (Any, PLAIN),
    (list, st.lists(PLAIN, max_size=3)),
    (dict, st.dictionaries(st.text(), PLAIN, max_size=3)),
    (int | str, st.integers() | st.text()),
    (int | float, st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
    (float | Decimal, st.floats(-1e300, 1e300) | st.decimals(-1, 1)),
    (bool | int | Colour | None, st.booleans() | st.integers() | st.sampled_from(Colour)),
    (Level | float, st.sampled_from(Level) | st.floats(-1e300, 1e300)),
    (Literal[1] | float, st.just(1) | st.floats(-1e300, 1e300)),
    (Point | list[int] | str | None, POINTS | st.lists(st.integers()) | st.text() | st.none()),
    (tuple[()], st.just(())),
]


MAKERS: list[Any] = [list, tuple, dict, set, frozenset, Optional]
A_LIST, A_TUPLE, A_DICT, A_SET, A_FROZENSET, AN_OPTIONAL = MAKERS
"""Made into annotations while the test runs, which type checkers don't follow."""


def several(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Annotations made of others."""
    keys = st.sampled_from(KEYS)
    return st.one_of(
        inner.map(lambda t: (A_LIST[t[0]], st.lists(t[1], max_size=4))),
        inner.map(lambda t: (A_TUPLE[t[0], ...], st.lists(t[1], max_size=4).map(tuple))),
        inner.map(lambda t: (A_TUPLE[t[0], int], st.tuples(t[1], st.integers()))),
        inner.map(lambda t: (AN_OPTIONAL[t[0]], st.none() | t[1])),
        keys.map(lambda k: (A_SET[k[0]], st.sets(k[1], max_size=4))),
        keys.map(lambda k: (A_FROZENSET[k[0]], st.frozensets(k[1], max_size=4))),
        st.tuples(keys, inner).map(
            lambda p: (A_DICT[p[0][0], p[1][0]], st.dictionaries(p[0][1], p[1][1], max_size=4))
        ),
    )


TYPED = st.recursive(st.sampled_from(SINGLE), several, max_leaves=4)


def job_class(**annotations: Any) -> Any:
    def body(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = annotations
        namespace["__module__"] = __name__
        namespace["execute"] = lambda self: None

    return types.new_class("Made", (Job,), {"name": "codec.Made"}, body)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal and of equal types all the way down; 1 is not 1.0."""
    if type(one) is not type(other):
        return False
    if dataclasses.is_dataclass(one):
        names = [f.name for f in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            any(same(key, k) and same(item, i) for k, i in other.items())
            for key, item in one.items()
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(same(x, y) for y in other) for x in one)
    if isinstance(one, float | Decimal):
        return one == other and repr(one) == repr(other)  # -0.0, 1.50
    if isinstance(one, datetime):
        return bool(one.utcoffset() == other.utcoffset() and one == other)
    return bool(one == other)


@settings(max_examples=80, **BUSY)
@given(st.data(), st.lists(TYPED, min_size=1, max_size=3))
def test_values_of_any_supported_type_come_back_the_same(
    data: st.DataObject, some: list[Typed]
) -> None:
    cls = job_class(**{f"field_{i}": annotation for i, (annotation, _) in enumerate(some)})
    job = cls(*(data.draw(values) for _, values in some))
    back = decode(cls, encode(job))
    assert same(back, job), (back, job)


@pytest.mark.parametrize("kind", [tuple, typing.Tuple])  # noqa: UP006
def test_a_tuple_of_whatever_is_of_any_length(kind: Any) -> None:
    cls = job_class(value=kind)
    assert decode(cls, encode(cls((1, "a", None)))).value == (1, "a", None)


class Everything(Job):
    text: str
    number: int
    real: float
    flag: bool
    raw: bytes
    moment: datetime
    day: date
    span: timedelta
    key: UUID
    price: Decimal
    colour: Colour
    level: Level
    kind: Literal["a", "b", 3]
    maybe: str | None
    point: Point
    place: Place | None
    numbers: list[int]
    names: set[str]
    pair: tuple[int, str]
    row: tuple[Decimal, ...]
    prices: dict[str, Decimal]
    places: dict[UUID, list[Place]]
    anything: Any

    def execute(self) -> None: ...


@settings(max_examples=40, **BUSY)
@given(
    st.builds(
        Everything,
        kind=st.sampled_from(["a", "b", 3]),
        real=st.floats(allow_nan=False, allow_infinity=False),
        moment=st.datetimes(timezones=ZONES),
        price=st.decimals(allow_nan=False, allow_infinity=False),
        point=POINTS,
        place=st.none() | PLACES,
        row=st.lists(st.decimals(allow_nan=False, allow_infinity=False), max_size=3).map(tuple),
        prices=st.dictionaries(st.text(), st.decimals(-9, 9, places=2), max_size=3),
        places=st.dictionaries(st.uuids(), st.lists(PLACES, max_size=2), max_size=2),
        anything=PLAIN,
    )
)
def test_a_job_with_a_field_of_each_type_comes_back_the_same(job: Everything) -> None:
    assert same(decode(Everything, encode(job)), job)


WRONG: list[tuple[Any, Callable[[Any], bool]]] = [
    (str, lambda v: type(v) is str),
    (int, lambda v: type(v) is int),
    (bool, lambda v: type(v) is bool),
    (bytes, lambda v: type(v) is bytes),
    (UUID, lambda v: type(v) is UUID),
    (datetime, lambda v: type(v) is datetime),
    (Decimal, lambda v: type(v) is Decimal),
    (Colour, lambda v: type(v) is Colour),
    (list[int], lambda v: type(v) is list and all(type(i) is int for i in v)),
]


@settings(max_examples=150, **BUSY)
@given(st.data(), st.sampled_from(WRONG), st.sampled_from(SINGLE))
def test_a_value_is_taken_only_where_it_comes_back_the_same(
    data: st.DataObject, wanted: tuple[Any, Callable[[Any], bool]], given_: Typed
) -> None:
    annotation, fits = wanted
    value = data.draw(given_[1])
    cls = job_class(value=annotation)
    try:
        payload = encode(cls(value))
    except ValueError:
        assert not fits(value)
    else:
        assert same(decode(cls, payload), cls(value))


def teardown_module() -> None:
    definition._registry.pop("codec.Made", None)

"""Payloads: what travels, what is refused and how it is told, on both sides alike."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, ClassVar, Literal, NewType
from uuid import UUID

import msgspec
import pytest

from horus_supervisor.errors import HorusError, PayloadError
from horus_supervisor.job import codec
from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES, check_raw, decode, encode
from horus_supervisor.job.definition import Job

AN_ID = UUID("019c8d1e-0000-7000-8000-000000000001")
UserId = NewType("UserId", int)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Stamp(datetime): ...


@dataclass
class Address:
    zip: str
    lines: list[str] = field(default_factory=list)


@dataclass
class Far(Address):
    planet: str = "Mars"


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass
class Lazy:
    """One whose attributes msgspec asks for by name, those of the class too."""

    value: int
    children: list[Lazy] = field(default_factory=list)
    lock: ClassVar[Any] = threading.Lock()

    def __getattr__(self, name: str) -> object:
        raise AttributeError(name)


class LazyJob(Job):
    tree: Lazy
    note: ClassVar[str] = "for all jobs"

    def __getattribute__(self, name: str) -> object:
        return super().__getattribute__(name)

    def execute(self) -> None: ...


class Order(Job):
    id: UUID | None = None
    when: datetime | None = None
    price: Decimal = Decimal(1)
    weight: float = 0.0
    count: int = 1
    urgent: bool = False
    note: str = ""
    raw: bytes = b""
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    kind: Literal["new", 1, None] = "new"
    address: Address | None = None
    by_name: dict[str, list[Address]] = field(default_factory=dict)
    by_id: dict[UUID, int] = field(default_factory=dict)
    by_user: dict[UserId, int] = field(default_factory=dict)
    pair: tuple[int, str] = (1, "one")
    tags: set[str] = field(default_factory=set)
    either: int | str | None = None
    step: Level | float | None = None
    anything: Any = None
    tree: Tree | None = None
    user: UserId = UserId(1)

    def execute(self) -> None: ...


class Small(Job):
    name: str
    count: int = 7

    def execute(self) -> None: ...


# --- wrong values ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field_name", "value", "said"),
    [
        ("id", str(AN_ID), "Order.id: expected UUID, found '019c8d1e"),
        ("when", "2026-01-01T00:00:00Z", "Order.when: expected a datetime with a zone"),
        ("when", datetime(2026, 1, 1), "Order.when: expected a datetime with a zone"),
        ("when", datetime.now(timezone(timedelta(seconds=90))), "whole minutes"),
        ("when", datetime.now(timezone(timedelta(microseconds=1))), "whole minutes"),
        ("when", Stamp.now(UTC), "Order.when: expected a datetime with a zone"),
        ("price", 1.5, "Order.price: expected a finite Decimal, found 1.5 (float)"),
        ("price", Decimal("NaN"), "found Decimal('NaN') (Decimal)"),
        ("price", Decimal("-Infinity"), "a finite Decimal"),
        ("weight", float("nan"), "Order.weight: expected a finite float, found nan (float)"),
        ("weight", float("-inf"), "a finite float"),
        ("weight", True, "found True (bool)"),
        ("weight", "1.0", "found '1.0' (str)"),
        ("weight", 2**53 + 1, "an int that a float can hold"),
        ("weight", -(2**53) - 1, "an int that a float can hold"),
        ("weight", 10**400, "an int that a float can hold"),
        ("count", 1.0, "Order.count: expected int, found 1.0 (float)"),
        ("count", True, "Order.count: expected int, found True (bool)"),
        ("count", None, "Order.count: expected int, found None (NoneType)"),
        ("count", Level.LOW, "Order.count: expected int"),
        ("urgent", 1, "Order.urgent: expected bool, found 1 (int)"),
        ("note", b"bytes", "Order.note: expected str, found b'bytes' (bytes)"),
        ("note", "\ud800", "Order.note: expected str without lone surrogates"),
        ("raw", "text", "Order.raw: expected bytes"),
        ("raw", bytearray(b"x"), "Order.raw: expected bytes"),
        ("colour", "red", "Order.colour: expected Colour, found 'red' (str)"),
        ("level", 1, "Order.level: expected Level, found 1 (int)"),
        ("kind", "old", "Order.kind: expected Literal['new', 1, None], found 'old' (str)"),
        ("kind", True, "Order.kind: expected Literal"),
        ("kind", [], "Order.kind: expected Literal"),
        ("address", {"zip": "1"}, "Order.address: expected Address, found {'zip': '1'} (dict)"),
        ("address", Address(5), "Order.address.zip: expected str, found 5 (int)"),  # type: ignore[arg-type]
        ("address", Far("1"), "Order.address: expected Address"),
        ("by_name", {"a": [Address("1", ["x", 2])]}, "Order.by_name['a' (str)][0].lines[1]: "),  # type: ignore[list-item]
        ("by_name", {1: []}, "Order.by_name[1 (int)]: expected str"),
        ("by_name", [], "Order.by_name: expected a dict, found [] (list)"),
        ("by_id", {str(AN_ID): 1}, "expected UUID"),
        ("pair", [1, "one"], "Order.pair: expected a tuple of 2"),
        ("pair", (1,), "Order.pair: expected a tuple of 2"),
        ("pair", (1, "one", 2), "Order.pair: expected a tuple of 2"),
        ("pair", (1, 2), "Order.pair[1]: expected str, found 2 (int)"),
        ("tags", ["a"], "Order.tags: expected a set"),
        ("either", 1.5, "Order.either: expected int | str | None, found 1.5 (float)"),
        ("step", 2, "Level | float | None, found 2 (int)"),
        ("anything", (1, 2), "Order.anything: expected None, bool, int"),
        ("anything", b"x", "Order.anything: expected None, bool, int"),
        ("anything", {"a": [AN_ID]}, "Order.anything['a' (str)][0]: expected None, bool, int"),
        ("anything", {1: 2}, "Order.anything[1 (int)]: expected str"),
        ("anything", [float("nan")], "Order.anything[0]: expected a finite float"),
        ("user", "5", "Order.user: expected int"),
    ],
)
def test_a_wrong_value_is_refused_by_name(field_name: str, value: object, said: str) -> None:
    job = Order()
    setattr(job, field_name, value)
    with pytest.raises(PayloadError) as refused:
        encode(job)
    assert said in str(refused.value)


def test_the_error_is_a_value_error_and_horus_own() -> None:
    assert issubclass(PayloadError, ValueError)
    assert issubclass(PayloadError, HorusError)


def test_a_value_that_cannot_be_shown_is_told_by_its_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(PayloadError, match=r"Small\.name: expected str, found a .*Shy"):
        encode(Small(Shy()))  # type: ignore[arg-type]


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(PayloadError) as refused:
        encode(Small(b"x" * 10_000))  # type: ignore[arg-type]
    assert len(str(refused.value)) < 200


def test_a_number_with_more_digits_than_python_writes_is_refused() -> None:
    with pytest.raises(PayloadError, match="4300 digits"):
        encode(Order(count=10**5000))
    with pytest.raises(PayloadError):
        encode(Order(weight=10**5000))


def test_a_field_without_any_value_is_named() -> None:
    job = Small("a")
    del job.name
    with pytest.raises(PayloadError, match=r"Small\.name: expected a value, found none at all"):
        encode(job)


def test_an_int_is_taken_for_a_float() -> None:
    assert decode(Order, encode(Order(weight=3))).weight == 3.0
    assert decode(Order, encode(Order(weight=2**60))).weight == 2.0**60


def test_a_constraint_of_an_annotation_holds_on_both_sides() -> None:
    class Rated(Job):
        stars: Annotated[int, "of five", msgspec.Meta(ge=1, le=5)]

        def execute(self) -> None: ...

    assert decode(Rated, encode(Rated(5))) == Rated(5)
    with pytest.raises(PayloadError, match="stars"):
        encode(Rated(6))
    with pytest.raises(PayloadError, match="stars"):
        decode(Rated, b'{"stars":0}')


def test_values_are_written_as_the_protocol_says() -> None:
    payload = encode(Order(id=AN_ID, price=Decimal("12.50"), raw=b"\0"))
    assert b'"id":"019c8d1e-0000-7000-8000-000000000001"' in payload
    assert b'"price":"12.50"' in payload
    assert b'"raw":"AA=="' in payload


# --- payloads from elsewhere -----------------------------------------------------------------


def test_what_all_jobs_of_a_class_share_is_not_sent() -> None:
    job = LazyJob(Lazy(1, [Lazy(2)]))
    sent = encode(job)
    assert sent == b'{"tree":{"value":1,"children":[{"value":2,"children":[]}]}}'
    assert decode(LazyJob, sent) == job


def test_unknown_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    assert decode(Small, b'{"name":"a","new":[1,{"x":2}]}') == Small("a", 7)


def test_each_unknown_field_is_named_once() -> None:
    class Growing(Job):
        name: str
        count: int = 7

        def execute(self) -> None: ...

    decode(Growing, b'{"name":"a"}')
    named = [
        codec.unknown_fields(Growing, payload)
        for payload in (
            b'{"name":"a","count":1}',
            b'{"name":"a","new":[1,{"x":2}],"it\\u0027s odd":null}',
            b'{"name":"a","new":2,"newer":3}',
            b'{"name":"a","new":2,"newer":3}',
            b'{"name":"a","new":2',
            b'{"name":' + b"[" * 100_000,
        )
    ]
    assert named == [[], ["new", "it's odd"], ["newer"], [], [], []]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"count":1}', "name"),
        (b'{"name":5}', r"Expected `str`, got `int` - at `\$.name`"),
        (b'{"name":"a","count":"1"}', r"at `\$.count`"),
        (b'{"name":"a","count":1.0}', "count"),
        (b'{"name":"a","count":NaN}', "Small"),
        (b'{"name":"\\ud800"}', "Small"),
        (b'{"name":"\xff"}', "Small"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"", "Small"),
        (b'{"name":"a"', "Small"),
        (b'{"name":"a"} x', "Small"),
    ],
)
def test_a_bad_payload_is_refused_with_what_is_wrong(payload: bytes, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        decode(Small, payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"when":"2026-01-01T00:00:00"}',
        b'{"price":"NaN"}',
        b'{"price":"Infinity"}',
        b'{"weight":1e999}',
        b'{"anything":1e999}',
        b'{"colour":"blue"}',
        b'{"level":2}',
        b'{"kind":"old"}',
        b'{"id":"no"}',
        b'{"raw":"a!"}',
        b'{"pair":[1]}',
        b'{"address":{}}',
    ],
)
def test_what_encode_would_refuse_decode_refuses(payload: bytes) -> None:
    with pytest.raises(PayloadError, match="Order"):
        decode(Order, payload)


def test_a_decimal_that_is_no_number_is_refused_where_nothing_else_needs_a_look() -> None:
    class Priced(Job):
        price: Decimal

        def execute(self) -> None: ...

    with pytest.raises(PayloadError, match=r"Priced\.price: expected a finite Decimal"):
        decode(Priced, b'{"price":"NaN"}')


@pytest.mark.parametrize("error", [ValueError("too few"), KeyError("k"), RuntimeError("no")])
def test_what_post_init_raises_is_a_payload_error(error: Exception) -> None:
    class Picky(Job):
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise error

        def execute(self) -> None: ...

    assert decode(Picky, encode(Picky(1))) == Picky(1)
    with pytest.raises(PayloadError, match="Picky"):
        decode(Picky, b'{"number":-1}')


def test_a_class_whose_annotations_cannot_be_read_refuses_payloads() -> None:
    class Never(Job):
        what: Nowhere  # type: ignore[name-defined]  # noqa: F821

        def execute(self) -> None: ...

    with pytest.raises(PayloadError, match="Nowhere"):
        decode(Never, b"{}")


# --- arguments without a class ---------------------------------------------------------------


def test_arguments_without_a_class_are_a_json_object_within_the_limits() -> None:
    check_raw("app.Job", b'{"a":[1,2.5,"x",null]}')
    check_raw("app.Job", b"{}")


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"5", "no JSON object"),
        (b"{'a':1}", "no JSON object"),
        (b'{"a":NaN}', "no JSON object"),
        (b'{"a":1e999}', "no JSON object"),
        (b'{"a":"\\ud800"}', "no JSON object"),
        (b'{"a":"\xff"}', "no JSON object"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "deeper"),
        (b'{"a":"' + b"x" * MAX_PAYLOAD_BYTES + b'"}', "bytes"),
    ],
)
def test_other_arguments_without_a_class_are_refused(payload: bytes, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        check_raw("app.Job", payload)


def test_now_is_a_moment() -> None:
    now = datetime.now(UTC)
    assert decode(Order, encode(Order(when=now))).when == now

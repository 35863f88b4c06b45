"""How large and how deep payloads may be, and what of them is remembered."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from horus_supervisor.errors import PayloadError
from horus_supervisor.job import codec
from horus_supervisor.job.codec import MAX_DEPTH, MAX_PAYLOAD_BYTES, decode, encode
from horus_supervisor.job.definition import Job


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


class Order(Job):
    note: str = ""
    anything: Any = None
    tree: Tree | None = None

    def execute(self) -> None: ...


class Small(Job):
    name: str
    count: int = 7

    def execute(self) -> None: ...


def test_a_payload_may_have_as_many_bytes_as_the_limit_and_no_more() -> None:
    frame = len(encode(Small("")))
    most = Small("x" * (MAX_PAYLOAD_BYTES - frame))
    payload = encode(most)
    assert len(payload) == MAX_PAYLOAD_BYTES
    assert decode(Small, payload) == most

    with pytest.raises(PayloadError, match="262145 bytes"):
        encode(Small("x" * (MAX_PAYLOAD_BYTES - frame + 1)))
    with pytest.raises(PayloadError, match="262145 bytes"):
        decode(Small, payload + b" ")


def test_the_limit_of_bytes_can_be_another() -> None:
    payload = encode(Small("x" * 300_000), max_bytes=400_000)
    assert decode(Small, payload, max_bytes=400_000).name == "x" * 300_000
    with pytest.raises(PayloadError, match="at most 10"):
        encode(Small("x"), max_bytes=10)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_values_nest_as_deep_as_the_limit_and_no_deeper() -> None:
    fits = Order(anything=nested(MAX_DEPTH - 1))  # the object of the arguments is one level
    assert decode(Order, encode(fits)) == fits

    with pytest.raises(PayloadError, match="deeper than 32"):
        encode(Order(anything=nested(MAX_DEPTH)))


@pytest.mark.parametrize("payload", [b'{"x":' + b"[" * 32 + b"]" * 32 + b"}"])
def test_a_payload_that_nests_too_deep_is_refused_even_in_an_unknown_field(payload: bytes) -> None:
    with pytest.raises(PayloadError, match="deeper than 32"):
        decode(Small, payload)
    assert decode(Order, payload.replace(b"[" * 32 + b"]" * 32, b"[" * 31 + b"]" * 31)) == Order()


def test_many_brackets_side_by_side_or_in_strings_are_not_deep() -> None:
    wide = Order(anything=[[], {}] * 500, note='[{"\\' * 500)
    assert decode(Order, encode(wide)) == wide


@pytest.mark.timeout(10)  # the time must not grow with the square of the length
def test_a_text_of_nothing_but_quotes_and_no_end_is_soon_refused() -> None:
    quotes = b'\\"' * (MAX_PAYLOAD_BYTES // 2 - 100)
    with pytest.raises(PayloadError, match="deeper than 32"):
        decode(Small, b'{"name":"' + quotes + b"[" * MAX_DEPTH)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(PayloadError, match="deeper than 32"):
        encode(Order(anything=endless))


def test_a_tree_deeper_than_the_stack_is_refused() -> None:
    tree = Tree(0)
    for number in range(2 * sys.getrecursionlimit()):
        tree = Tree(number, [tree])
    with pytest.raises(PayloadError, match="deeper than 32"):
        encode(Order(tree=tree))


def test_payloads_without_end_of_unknown_fields_are_not_remembered_without_end() -> None:
    class Garbage(Job):
        def execute(self) -> None: ...

    decode(Garbage, b"{}")
    named = [codec.unknown_fields(Garbage, b'{"f%d":1}' % at) for at in range(100)]
    assert [bool(names) for names in named] == [True] * 21 + [False] * 79


def test_of_the_unknown_fields_of_one_payload_a_few_are_named() -> None:
    class Odd(Job):
        def execute(self) -> None: ...

    decode(Odd, b"{}")
    payload = b"{%b}" % b",".join(b'"f%d":1' % at for at in range(100))
    assert codec.unknown_fields(Odd, payload) == [f"f{at}" for at in range(codec.MAX_UNKNOWN)]

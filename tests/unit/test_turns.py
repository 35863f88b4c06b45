"""In which order a runner looks into its queues."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from horus_supervisor.runner.turns import first, orders

weights_of = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9), min_size=1)


@given(weights_of)
def test_each_queue_comes_first_as_often_as_its_weight_says(weights: dict[str, int]) -> None:
    total = sum(weights.values())
    firsts = [order[0] for order in islice(orders(weights, strict=False), 3 * total)]
    assert Counter(firsts) == {queue: 3 * weight for queue, weight in weights.items()}


@given(weights_of)
def test_no_queue_waits_for_longer_than_its_share(weights: dict[str, int]) -> None:
    total = sum(weights.values())
    firsts = [order[0] for order in islice(orders(weights, strict=False), 3 * total)]
    for queue, weight in weights.items():
        turns = [at for at, name in enumerate(firsts) if name == queue]
        gaps = [later - before for before, later in pairwise(turns)]
        assert max(gaps, default=0) <= 2 * total / weight


@given(weights_of, st.booleans())
def test_every_claim_looks_into_every_queue_once(weights: dict[str, int], strict: bool) -> None:
    for order in islice(orders(weights, strict=strict), 20):
        assert sorted(order) == sorted(weights)


def test_in_strict_order_the_highest_is_always_first() -> None:
    assert set(islice(orders({"a": 1, "b": 3, "c": 2}, strict=True), 9)) == {("b", "c", "a")}


def test_in_strict_order_equals_stand_as_they_were_named() -> None:
    assert next(orders({"z": 1, "a": 1, "m": 1}, strict=True)) == ("z", "a", "m")


def test_a_queue_can_be_put_before_the_others() -> None:
    assert first(("a", "b", "c"), "c") == ("c", "a", "b")

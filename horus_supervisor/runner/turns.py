"""In which order a runner of several queues looks into them: by weight, or the highest first.

Pure. One claim asks for all of them: the first that has a job gives it. By weight, a queue is the
first to be looked into as often as its share says, spread evenly (smooth weighted round robin, the
way of nginx), so that none starves; where it is empty, the heaviest of the others is next.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

Order = tuple[str, ...]


def orders(weights: Mapping[str, int], *, strict: bool) -> Iterator[Order]:
    """Give the order of each claim, without end."""
    heaviest_first = tuple(sorted(weights, key=weights.__getitem__, reverse=True))
    if strict or len(weights) == 1:
        return itertools.repeat(heaviest_first)
    return _by_weight(weights, {queue: first(heaviest_first, queue) for queue in weights})


def first(order: Order, queue: str) -> Order:
    """Put one queue before the others."""
    return (queue, *(other for other in order if other != queue))


def _by_weight(weights: Mapping[str, int], starting: Mapping[str, Order]) -> Iterator[Order]:
    total = sum(weights.values())
    credit = dict.fromkeys(weights, 0)
    while True:
        for queue, weight in weights.items():
            credit[queue] += weight
        chosen = max(credit, key=credit.__getitem__)
        credit[chosen] -= total
        yield starting[chosen]

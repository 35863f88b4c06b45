"""How a client insists on an answer; what it runs is the caller's.

A ``Plan`` yields what to do next, ``Run`` or ``Wait``, and is told what came of it: ``carry_out``
does it for who may block, ``AsyncClient`` for who awaits. It decides what a broken call means, how
long each try may take so that all together keep the client's ``timeout``, and what is known of the
jobs in the end.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from horus_supervisor.backoff import between
from horus_supervisor.clock import Clock
from horus_supervisor.enqueue import Enqueue
from horus_supervisor.errors import (
    EnqueueUnknown,
    HorusError,
    RedisAway,
    ReplyLost,
    ServiceNotRunning,
)
from horus_supervisor.store.operation import Operation

T = TypeVar("T")

CHUNK = 2000
"""Most jobs of one round trip: 10,000 are five."""

CHUNK_BYTES = 256 * 1024
"""Payload after which a round trip takes no further job: a slow network carries it in time, and a
job of the largest default payload takes no more."""

_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 0.5
_LONGEST_TRY = 0.5
"""Of the timeout: there must be time to try again after an idle connection that a firewall
dropped."""
_SHORTEST_TRY = 0.05
"""Of the timeout: with less of it left, another try is none."""


class Run(NamedTuple):
    """Carry these out in one round trip; tell the outcomes, or the error that broke it."""

    calls: Sequence[Operation[Any]]
    within_s: float


class Wait(NamedTuple):
    """Do nothing for so long; tell None."""

    seconds: float


Told = Sequence[Any] | HorusError | None
Plan = Generator[Run | Wait, Told, T]


def carry_out(
    plan: Plan[T], run: Callable[[Run], Told], sleep: Callable[[float], object] = time.sleep
) -> T:
    """Do what a plan wants, for who may block. ``run`` tells the error that broke it, too."""
    told: Told = None
    while True:
        try:
            step = plan.send(told)
        except StopIteration as done:
            result: T = done.value
            return result
        if isinstance(step, Wait):
            sleep(step.seconds)
            told = None
        else:
            told = run(step)


class Tries:
    """Decides what a broken call means: worth another try until the deadline, or the end.

    ``lost``: a try may have happened though no reply came.
    """

    def __init__(self, timeout_s: float, now: float) -> None:
        self.lost = False
        self._timeout_s = timeout_s
        self._deadline = now + timeout_s
        self._wait_s = _FIRST_WAIT_S

    def within_s(self, now: float) -> float:
        """Tell how long a try may take that begins now."""
        return max(min(self._deadline - now, self._timeout_s * _LONGEST_TRY), 0.0)

    def wait_after_s(self, error: HorusError, now: float) -> float:
        """Tell the seconds to wait before the same call again.

        Raises: ``error`` where there is no time left, or it is no matter of time.
        """
        self.lost |= isinstance(error, ReplyLost)
        away = isinstance(error, RedisAway | ReplyLost)
        left_s = self._deadline - now - self._timeout_s * _SHORTEST_TRY
        if left_s > 0 and (away or (self.lost and isinstance(error, ServiceNotRunning))):
            wait_s = self._wait_s * between(0.5, 1.0)
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            return min(wait_s, left_s)
        raise error

    def created(self, made: bool) -> bool | None:
        """Tell whether this call made the job: None where an earlier try may have."""
        return True if made else None if self.lost else False


def ask(call: Operation[T], timeout_s: float, clock: Clock) -> Plan[T]:
    """Insist on the answer to a question. Raises: what came instead of one."""
    [answer] = yield from _insist([call], Tries(timeout_s, clock.monotonic()), clock)
    if isinstance(answer, HorusError):
        raise answer
    result: T = answer
    return result


def send(
    orders: Sequence[Enqueue], namespace: str, timeout_s: float, clock: Clock
) -> Plan[list[bool | None]]:
    """Put jobs on their queues; tells for each whether this made it (None: that is open).

    Every round trip has ``timeout_s`` anew. Raises: what came in between, telling what is known.
    """
    created: list[bool | None] = []
    for chunk in _chunks(orders):
        tries = Tries(timeout_s, clock.monotonic())
        calls = [order.operation(namespace) for order in chunk]
        try:
            answers = yield from _insist(calls, tries, clock)
        except HorusError as error:
            _stop(error, orders, range(len(created)), tries.lost)
        if refusal := next((a for a in answers if isinstance(a, HorusError)), None):
            done = [i for i, a in enumerate(answers, len(created)) if not isinstance(a, HorusError)]
            _stop(refusal, orders, [*range(len(created)), *done], tries.lost)
        created += map(tries.created, answers)
    return created


def _insist(calls: Sequence[Operation[Any]], tries: Tries, clock: Clock) -> Plan[list[Any]]:
    """Run calls until each has an answer, an error that no time mends among them."""
    answers: list[Any] = []
    while True:
        told = yield Run(calls[len(answers) :], tries.within_s(clock.monotonic()))
        if isinstance(told, HorusError):
            error = told
        else:
            assert told is not None, "a run has outcomes or breaks"
            settled = list(itertools.takewhile(lambda one: not isinstance(one, RedisAway), told))
            answers += settled
            if len(answers) == len(calls):
                return answers
            error = told[len(settled)]
            tries.lost |= not all(isinstance(one, RedisAway) for one in told[len(settled) :])
        yield Wait(tries.wait_after_s(error, clock.monotonic()))


def _chunks(orders: Sequence[Enqueue]) -> Iterator[Sequence[Enqueue]]:
    first = size = 0
    for i, order in enumerate(orders):
        if i - first == CHUNK or (size and size + len(order.payload) > CHUNK_BYTES):
            yield orders[first:i]
            first, size = i, 0
        size += len(order.payload)
    if orders:
        yield orders[first:]


def _stop(
    error: HorusError, orders: Sequence[Enqueue], done: Sequence[int], lost: bool
) -> NoReturn:
    """Raise what tells all that is known of the jobs, whose sending ``error`` ended."""
    if not done and not lost:
        raise error
    ids = tuple(order.job_id for order in orders)
    enqueued = tuple(ids[i] for i in done)
    if len(ids) == 1:
        text = f"{error}; the job may be on its queue: repeat with id={ids[0]!r}"
        raise EnqueueUnknown(text, ids) from error
    others = "some of the others may be" if lost else "the others are not"
    text = (
        f"{error}; of {len(ids)} jobs {len(done)} are on their queues, {others}:"
        " repeat with ids=error.job_ids"
    )
    if lost or isinstance(error, ConnectionError):
        raise EnqueueUnknown(text, ids, enqueued) from error
    partly = type(error)(text)
    partly.job_ids, partly.enqueued = ids, enqueued
    raise partly from error

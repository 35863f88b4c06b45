"""What a reload costs: ten runners take new code one by one, with work waiting all the time.

A round: the queue is filled, the drain is measured for a while, then the supervisor gets a SIGHUP,
and the drain is measured until it says that the new code is in force everywhere; import and forks
are in it. Then the queue is purged. Each run of a job adds a byte to a file, and Redis counts what
succeeded: together they tell what was lost, and what was run twice.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.jobs import Tick
from bench.report import Reach, Row
from bench.service import PATIENCE_S, Bench, Service, Stuck, bench, wait_until
from horus_supervisor.store import operations

QUEUE = "rolling"
RUNNERS = 10
ROUNDS = 7
WAITING = 100_000
BEFORE_S = 1.5


def under_load(quick: bool) -> Iterator[Row]:
    """Measure the drain before and during a roll, and count what was lost and run twice."""
    ratios, befores, durations = [], [], []
    with bench() as at, at.service(rolling=RUNNERS) as service:
        ran, log, enqueued = at.folder / "ran", Log(service.log), 0
        for _ in range(2 if quick else ROUNDS):
            service.client.enqueue_many([Tick(str(ran))] * WAITING, queue=QUEUE)
            enqueued += WAITING
            before, during, took_s = _round(at, service, log)
            befores.append(before)
            durations.append(took_s)
            ratios.append(during / before)
            _empty(service)
        succeeded = _succeeded(at, service)
        purged = int(at.raw.hget(f"{{{service.namespace}}}:discarded", QUEUE) or 0)
        lost = enqueued - succeeded - purged
        twice = os.path.getsize(ran) - succeeded
    note = f"{median(befores):,.0f} jobs a second, {median(durations):.1f} s a roll"
    figure = f"{RUNNERS} runners roll under load: drain, of that before"
    yield Row(figure, Reach(0.8, "", at_least=True), median(ratios), ratios, note)
    yield Row("the same: jobs lost", Reach(1, ""), lost, [lost], f"of {succeeded:,}")
    yield Row("the same: jobs run twice", Reach(1, ""), twice, [twice], f"of {succeeded:,}")


class Log:
    """A log that grows; each look reads what is new only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def tells(self, event: str) -> bool:
        """Tell whether a line of an event has come since the last look; of few bytes, whole."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            whole, _, _ = file.read().rpartition(b"\n")
            self._at += len(whole)
        return b'"event":"%b"' % event.encode() in whole


def _round(at: Bench, service: Service, log: Log) -> tuple[float, float, float]:
    """Tell jobs a second before the roll and during it, and how long that took."""
    before, _ = _rate(at, service, log, "", BEFORE_S)
    os.kill(service.pid, signal.SIGHUP)
    during, took_s = _rate(at, service, log, "reload.done", PATIENCE_S)
    if took_s >= PATIENCE_S:
        raise Stuck(f"the roll did not end:\n{service.tail()}")
    if not at.raw.llen(f"{{{service.namespace}}}:ready:{QUEUE}"):
        raise Stuck("the queue was empty before the roll was over")
    return before, during, took_s


def _rate(
    at: Bench, service: Service, log: Log, event: str, within_s: float
) -> tuple[float, float]:
    """Tell jobs a second until an event or the end of some seconds, and how long that was."""
    began, done = time.monotonic(), _succeeded(at, service)
    while not log.tells(event) and time.monotonic() - began < within_s:
        time.sleep(0.02)
    took_s = time.monotonic() - began
    return (_succeeded(at, service) - done) / took_s, took_s


def _empty(service: Service) -> None:
    """Purge what waits, and wait for what runs; what is missing then is lost."""
    until_ms, more = int(time.time() * 1000) + 1000, True
    while more:
        purge = operations.purge(service.namespace, QUEUE, until_ms)
        _, more = service.client.connection.run(purge)

    def idle() -> bool:
        seen = service.client.connection.run(operations.overview(service.namespace))
        waiting = sum(queue.ready + queue.scheduled for queue in seen.queues)
        return not waiting and not any(seen.slots.values())

    wait_until(
        idle,
        "the rest of the queue",
    )


def _succeeded(at: Bench, service: Service) -> int:
    return int(at.raw.hget(f"{{{service.namespace}}}:succeeded", QUEUE) or 0)

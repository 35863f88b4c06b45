"""How fast waiting no-op jobs are done, against the floor.

A round: every runner is held by a job that waits at a gate, 20,000 no-op jobs of 100 bytes are
enqueued behind it, then the gate opens. The clock runs from there to the first line of the last
job, so no start is in it, and all the rest is: decoding, slot, log, clearing up after each job. The
floor drains as many, in turn, on the same Redis, and the ratio of the two is the round's value: the
machine's mood is in both. Each round counts Redis's ``succeeded`` and the lines in the log.

Placed freely, the kernel's luck in placing two processes that wait for each other is part of the
figure. On one core, Redis and everything else share it: no luck, only work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from statistics import median

from bench import floor
from bench.jobs import Gate, Mark, NoOp
from bench.report import Reach, Row
from bench.service import Bench, Service, Stuck, bench, wait_until
from horus_supervisor import Job
from horus_supervisor.ids import new_job_id

JOBS = 20_000
ROUNDS = 9
WEIGHTS = {"often": 3, "mostly": 2, "seldom": 1}
WEIGHTED = f"""
[groups.weighted]
queues = {{ {", ".join(f"{queue} = {weight}" for queue, weight in WEIGHTS.items())} }}
"""
TEXT = "x" * 89  # {"text":"..."} makes 100 bytes


def placed_freely(quick: bool) -> Iterator[Row]:
    """Measure one runner against the floor, and two against one."""
    floors, ones, twos = [], [], []
    with bench() as at, at.service(one=1, two=2) as service:
        for _ in range(3 if quick else ROUNDS):
            floors.append(_floor(at))
            ones.append(_rate(at, service, {"one": JOBS}, 1))
            twos.append(_rate(at, service, {"two": JOBS}, 2))
    yield _row("no-op jobs, one runner, placed freely", 0.8, " of the floor", ones, floors)
    yield _row("no-op jobs, two runners on two cores", 1.4, " times one", twos, ones)


def on_one_core(quick: bool) -> Iterator[Row]:
    """Measure one runner against the floor, all on one core."""
    core = max(os.sched_getaffinity(0))
    floors, ones = [], []
    with bench(core) as at, at.service(one=1) as service:
        for _ in range(3 if quick else ROUNDS):
            floors.append(_floor(at))
            ones.append(_rate(at, service, {"one": JOBS}, 1))
    yield _row("the same with Redis and the rest on one core", 1.0, " of the floor", ones, floors)


def of_three_queues(quick: bool) -> Iterator[Row]:
    """Measure a runner that serves three weighted queues against one that serves one.

    The jobs are shared out as the weights are, so all three have work to the end.
    """
    ones, threes = [], []
    shares = {queue: JOBS * weight // sum(WEIGHTS.values()) for queue, weight in WEIGHTS.items()}
    with bench() as at, at.service(groups=WEIGHTED, one=1) as service:
        for _ in range(3 if quick else 7):
            ones.append(_rate(at, service, {"one": sum(shares.values())}, 1))
            threes.append(_rate(at, service, shares, 1))
    yield _row("no-op jobs, one runner of three queues", 0.9, " of one queue", threes, ones)


def _row(figure: str, limit: float, unit: str, ours: list[float], base: list[float]) -> Row:
    ratios = [a / b for a, b in zip(ours, base, strict=True)]
    note = f"{median(ours):,.0f} to {median(base):,.0f} jobs a second"
    return Row(figure, Reach(limit, unit, at_least=True), median(ratios), ratios, note)


def _floor(at: Bench) -> float:
    payload = b'{"text":"%s"}' % TEXT.encode()
    return floor.rate(at, [new_job_id() for _ in range(JOBS)], payload)


def _rate(at: Bench, service: Service, shares: dict[str, int], runners: int) -> float:
    """Hold the runners, fill their queues, let go; jobs a second."""
    before = _succeeded(at, service, shares)
    service.client.enqueue_many([Gate(at.told.path, at.gate.path)] * runners, queue=min(shares))
    for _ in range(runners):
        at.told.read("a runner at the gate")
    last: list[Job] = [Mark(at.told.path)] * runners
    for queue, jobs in shares.items():
        service.client.enqueue_many([*[NoOp(TEXT)] * jobs, *last], queue=queue)
    began_ns = time.monotonic_ns()
    at.gate.open_gate(runners)
    marks = runners * len(shares)
    ended_ns = max(at.told.read("the last job")[0] for _ in range(marks))
    jobs = sum(shares.values())
    expected = jobs + marks + runners
    wait_until(lambda: _succeeded(at, service, shares) - before == expected, "the last finish")
    _count_lines(service, expected)
    return jobs / (ended_ns - began_ns) * 1e9


def _succeeded(at: Bench, service: Service, queues: Iterable[str]) -> int:
    counts = at.raw.hmget(f"{{{service.namespace}}}:succeeded", list(queues))
    return sum(int(count or 0) for count in counts)


def _count_lines(service: Service, expected: int) -> None:
    """Check that each job left its line, and empty the log for the next round."""
    wait_until(lambda: service.log.read_bytes().count(b'"job.succeeded"') >= expected, "the log")
    if service.log.read_bytes().count(b'"job.succeeded"') != expected:
        raise Stuck("more lines than jobs in the log")
    os.truncate(service.log, 0)

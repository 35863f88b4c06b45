"""What a death costs: time until a killed runner's job runs again, and until orphans are gone."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from statistics import median

from bench.jobs import HangOnce
from bench.report import Reach, Row
from bench.service import Bench, Service, Stuck, bench

KILLS = 50
RUNNERS = 20


def runner_killed(quick: bool) -> Iterator[Row]:
    """Measure from a runner's SIGKILL to the first line of its job in another runner.

    The script that gives the job back is the one that writes the crash record, so the record is in
    Redis by then; that it is there, once, is checked after each kill. Twenty runners may be
    restarted forty times at once and once more a second: at four kills a second the policy never
    delays one.
    """
    times_ms = []
    with bench() as at, at.service(deaths=RUNNERS) as service:
        for kill in range(10 if quick else KILLS):
            times_ms.append(_kill_one(at, service))
            if at.raw.xlen(f"{{{service.namespace}}}:crashes") != kill + 1:
                raise Stuck("a kill did not leave exactly one crash record")
            time.sleep(0.25)
    figure = "runner SIGKILLed: record in Redis, job claimed by another"
    yield Row(figure, Reach(20, " ms"), median(times_ms), times_ms)


def _kill_one(at: Bench, service: Service) -> float:
    service.client.enqueue(HangOnce(at.told.path), queue="deaths")
    _, victim = at.told.read("the job's first start")
    time.sleep(0.05)
    killed_ns = time.monotonic_ns()
    os.kill(victim, signal.SIGKILL)
    again_ns, other = at.told.read("the job's second start")
    if other == victim:
        raise Stuck("a killed runner went on")
    return (again_ns - killed_ns) / 1e6


def supervisor_killed(quick: bool) -> Iterator[Row]:
    """Measure from the supervisor's SIGKILL until the last of its runners is gone.

    Pidfds of all runners, opened beforehand, tell of each end as it happens.
    """
    times_ms = []
    with bench() as at:
        for _ in range(5 if quick else 20):
            with at.service(orphans=RUNNERS) as service:
                times_ms.append(_kill_supervisor(service))
    figure = f"{RUNNERS} runners, supervisor SIGKILLed: no runner left, worst"
    yield Row(figure, Reach(100, " ms"), max(times_ms), times_ms)


def _kill_supervisor(service: Service) -> float:
    everyone = {pid: os.pidfd_open(pid) for pid in service.processes()}
    runners = {everyone[pid] for pid in service.runner_pids()}
    try:
        if len(runners) != RUNNERS:
            raise Stuck(f"{len(runners)} runners instead of {RUNNERS}")
        killed_ns = time.monotonic_ns()
        os.kill(service.pid, signal.SIGKILL)
        _wait_for_ends(runners)
        took_ms = (time.monotonic_ns() - killed_ns) / 1e6
        _wait_for_ends(set(everyone.values()))
    finally:
        for pidfd in everyone.values():
            os.close(pidfd)
    return took_ms


def _wait_for_ends(pidfds: set[int], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    left = set(pidfds)
    while left:
        ended = select.select(left, [], [], max(deadline - time.monotonic(), 0))[0]
        if not ended:
            raise Stuck(f"{len(left)} processes outlived their supervisor by {within_s:g} s")
        left -= set(ended)

"""How long an idle queue lets a job wait: enqueue to the first line of ``execute``.

One runner, idle each time. The clock starts before ``Client.enqueue`` is called and stops at the
first line of the job. In turn with it, in the same run, a bare pair: redis-py's LPUSH here,
redis-py's BLPOP in another process (``python -m bench.latency SOCKET TOLD``), nothing else. What
the kernel takes to wake a sleeping process is in both; where it places them on two cores moves both
by a third for as long as they live, so all but this process and Redis are started anew five times.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from statistics import median

import redis

from bench.jobs import Mark, tell
from bench.report import Reach, Row, percentile
from bench.service import Bench, Service, bench, start, stop

PAUSE_S = 0.004  # until the one who was woken sleeps again
BARE = "bare"


def idle_queue(quick: bool) -> Iterator[Row]:
    """Measure the median, and the 99th percentile against that of the bare pair."""
    ours: list[float] = []
    bare: list[float] = []
    with bench() as at:
        for _ in range(5):
            _round(at, 60 if quick else 400, ours, bare)
    note = f"bare pair {median(bare):.2f} ms"
    yield Row("idle queue: enqueue to execute, median", Reach(1, " ms"), median(ours), ours, note)
    ours99, bare99 = percentile(ours, 99), percentile(bare, 99)
    note = f"{ours99:.2f} to {bare99:.2f} ms"
    times = ours99 / bare99
    yield Row("idle queue: 99th percentile", Reach(3, " times the bare"), times, [times], note)


def _round(at: Bench, times: int, ours: list[float], bare: list[float]) -> None:
    command = [sys.executable, "-m", "bench.latency", at.socket, at.told.path]
    with at.service(idle=1) as service:
        pair = start(command, at.folder / "bare.log")
        try:
            for _ in range(times):
                bare.append(_bare_ms(at))
                ours.append(_ours_ms(at, service))
        finally:
            stop(pair)


def _ours_ms(at: Bench, service: Service) -> float:
    time.sleep(PAUSE_S)
    job = Mark(at.told.path)
    began_ns = time.monotonic_ns()
    service.client.enqueue(job, queue="idle")
    return (at.told.read("the job")[0] - began_ns) / 1e6


def _bare_ms(at: Bench) -> float:
    time.sleep(PAUSE_S)
    began_ns = time.monotonic_ns()
    at.raw.lpush(BARE, b"x")
    return (at.told.read("the bare pair")[0] - began_ns) / 1e6


def main(socket: str, told: str) -> None:
    """Be the far end of the bare pair, until ended."""
    client = redis.Redis(unix_socket_path=socket)
    while True:
        client.blpop([BARE], timeout=0)
        tell(told, time.monotonic_ns())


if __name__ == "__main__":
    main(*sys.argv[1:])

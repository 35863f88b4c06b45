"""How fast one client enqueues many jobs, against a bare loop of the same commands.

A round: ``enqueue_many`` of 10,000 jobs of 100 bytes, everything in it, from job objects to
handles; then redis-py's pipeline sends as many of the same EVALSHA, prepared before its clock
starts, in round trips of the same size. Either figure will do: so many a second, or the ratio.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from bench.jobs import NoOp
from bench.report import Reach, Row
from bench.service import Bench, Stuck, bench
from horus_supervisor import AsyncClient, Client
from horus_supervisor.enqueue import prepare_many
from horus_supervisor.store.operation import load_script
from horus_supervisor.tries import CHUNK

JOBS = 10_000
ROUNDS = 7
TEXT = "x" * 89  # {"text":"..."} makes 100 bytes
NAMESPACE = "bulk"
RATE, RATIO = 30_000, 0.8


def enqueued(quick: bool) -> Iterator[Row]:
    """Measure both clients and the bare loop in turn."""
    jobs = [NoOp(TEXT) for _ in range(JOBS)]
    ours: list[float] = []
    awaited: list[float] = []
    bare: list[float] = []
    with bench() as at, Client(f"unix://{at.socket}", namespace=NAMESPACE) as client:
        at.raw.script_load(load_script("enqueue").source)
        client.status("warm")
        for _ in range(3 if quick else ROUNDS):
            ours.append(_rate(at, lambda: client.enqueue_many(jobs)))
            awaited.append(_rate(at, lambda: asyncio.run(_awaited(at, jobs))))
            bare.append(_bare(at, jobs))
    yield _row("bulk enqueue, one client", ours, bare)
    yield _row("the same by an async client", awaited, bare)


def _row(figure: str, ours: list[float], bare: list[float]) -> Row:
    note = f"{median(ours):,.0f} to {median(bare):,.0f} jobs a second"
    if median(ours) >= RATE:
        return Row(figure, Reach(RATE, " jobs/s", at_least=True), median(ours), ours, note)
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    return Row(figure, Reach(RATIO, " of the loop", at_least=True), median(ratios), ratios, note)


async def _awaited(at: Bench, jobs: list[NoOp]) -> None:
    async with AsyncClient(f"unix://{at.socket}", namespace=NAMESPACE) as client:
        await client.enqueue_many(jobs)


def _bare(at: Bench, jobs: list[NoOp]) -> float:
    calls = [order.operation(NAMESPACE) for order in prepare_many(jobs)]
    commands = [("EVALSHA", call.script.sha, 1, call.prefix, *call.args) for call in calls]

    def loop() -> None:
        for first in range(0, JOBS, CHUNK):
            pipeline: Any = at.raw.pipeline(transaction=False)
            for command in commands[first : first + CHUNK]:
                pipeline.execute_command(*command)
            pipeline.execute()

    return _rate(at, loop)


def _rate(at: Bench, enqueue: Callable[[], object]) -> float:
    """Enqueue into an empty Redis; jobs a second."""
    at.raw.flushdb()
    began_ns = time.monotonic_ns()
    enqueue()
    ended_ns = time.monotonic_ns()
    if at.raw.llen(f"{{{NAMESPACE}}}:ready:default") != JOBS:
        raise Stuck("not every job is on its queue")
    return JOBS / (ended_ns - began_ns) * 1e9

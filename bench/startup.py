"""How soon a service works: from typing its command to the first line of a job that waited for it.

The job lies in an external Redis already; Python's own start, the job module's import and the fork
of the runner are in it. One start goes before that is not counted: Python compiles then what an
installed package brings compiled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.jobs import Mark
from bench.report import Reach, Row
from bench.service import Bench, Service, bench


def first_job(quick: bool) -> Iterator[Row]:
    """Measure in nine starts, each in a folder and namespace of its own."""
    with bench() as at:
        _start(at)
        times_s = [_start(at) for _ in range(3 if quick else 9)]
    figure = "ready for the first job after the command is typed"
    yield Row(figure, Reach(0.7, " s"), median(times_s), times_s)


def _start(at: Bench) -> float:
    service = Service(at, {"first": 1})
    service.client.enqueue(Mark(at.told.path), queue="first")
    typed_ns = time.monotonic_ns()
    service.launch()
    try:
        return (at.told.read("the first job")[0] - typed_ns) / 1e9
    finally:
        service.stop()

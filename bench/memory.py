"""What idleness costs: memory of processes, their CPU time, Redis's memory for what waits."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.jobs import NoOp
from bench.report import Reach, Row, Skipped, number
from bench.service import Bench, Service, Stuck, bench, wait_until
from horus_supervisor import Client
from horus_supervisor.ids import new_job_id
from horus_supervisor.store import operations

JOBS = 1000
WAITING_JOBS = 100_000


def resident(quick: bool) -> Iterator[Row]:
    """Measure the PSS of everything but Redis with 10 idle runners, and of each further one.

    PSS counts a shared page once, divided among those who map it. Supervisor, template, keeper and
    runners are summed, in services of 10 and of 30 runners; a note tells the same figure after a
    thousand jobs. This very process maps Python too, which makes the sum a few hundred KB smaller
    than it would be alone.
    """
    tens, further, worked = [], [], []
    with bench() as at:
        for _ in range(1 if quick else 3):
            (ten, ten_worked), (thirty, thirty_worked) = _pss_mb(at, 10), _pss_mb(at, 30)
            tens.append(ten)
            further.append((thirty - ten) / 20)
            worked.append((thirty_worked - ten_worked) / 20)
    note = f"{number(median(worked))} MB after a thousand jobs"
    yield Row("PSS without Redis, 10 idle runners", Reach(65, " MB"), median(tens), tens)
    yield Row("each further idle runner", Reach(2, " MB"), median(further), further, note)


def with_numpy(quick: bool) -> Iterator[Row | Skipped]:
    """Measure the PSS of each further runner where job code has imported numpy."""
    figure = "each further idle runner, numpy among the imports"
    if importlib.util.find_spec("numpy") is None:
        yield Skipped(figure, "numpy is not installed here; `make bench` installs it")
        return
    further = []
    with bench() as at:
        for _ in range(1 if quick else 3):
            (ten, _), (thirty, _) = (_pss_mb(at, n, "bench.with_numpy") for n in (10, 30))
            further.append((thirty - ten) / 20)
    yield Row(figure, Reach(3, " MB"), median(further), further)


def _pss_mb(at: Bench, runners: int, imports: str = "bench.jobs") -> tuple[float, float]:
    """Measure all processes of a service that has had no job yet, and after a thousand."""
    with at.service(imports, memory=runners) as service:
        fresh = _resting_mb(service)
        handles = service.client.enqueue_many([NoOp()] * JOBS, queue="memory")
        wait_until(lambda: handles[-1].status() == "succeeded", f"{JOBS} jobs")
        return fresh, _resting_mb(service)


def _resting_mb(service: Service) -> float:
    time.sleep(0.5)
    rollups = [Path(f"/proc/{pid}/smaps_rollup") for pid in service.processes()]
    return sum(_pss_kb(rollup.read_text()) for rollup in rollups) * 1024 / 1e6


def _pss_kb(rollup: str) -> int:
    return int(rollup.partition("\nPss:")[2].split()[0])


def idle_cpu(quick: bool) -> Iterator[Row]:
    """Measure the CPU time of everything but Redis with 50 idle runners, over a minute.

    From ``/proc/PID/task/*/schedstat``, in nanoseconds: ``stat`` cuts each process's time to
    ticks of 10 ms, and fifty runners could hide half a second below them.
    """
    seconds = 10 if quick else 60
    with bench() as at, at.service(idle=50) as service:
        time.sleep(2)
        before = _cpu_ns(service)
        time.sleep(seconds)
        after = _cpu_ns(service)
    if before.keys() != after.keys():
        raise Stuck("a process came or went while all were idle")
    percent = (sum(after.values()) - sum(before.values())) / seconds / 1e7
    yield Row("idle CPU without Redis, 50 runners", Reach(0.5, " % of a core"), percent, [percent])


def _cpu_ns(service: Service) -> dict[int, int]:
    def of(pid: int) -> int:
        threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads)

    return {pid: of(pid) for pid in service.processes()}


def waiting_jobs(quick: bool) -> Iterator[Row]:
    """Measure by how much Redis's ``used_memory`` grows for each of 100,000 waiting jobs."""
    payload = b'{"text":"%s"}' % (b"x" * 89)
    with bench() as at:
        client = Client(f"unix://{at.socket}", namespace="waiting")
        before = at.raw.info("memory")["used_memory"]
        client.connection.run_many(
            operations.enqueue(
                "waiting",
                job_id=new_job_id(),
                queue="waiting",
                name="bench.jobs.NoOp",
                payload=payload,
                max_attempts=12,
            )
            for _ in range(WAITING_JOBS)
        )
        client.close()
        size = (at.raw.info("memory")["used_memory"] - before) / WAITING_JOBS
    figure = "Redis memory per waiting job of 100 bytes"
    yield Row(figure, Reach(300, " bytes"), size, [size])

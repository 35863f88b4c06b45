"""Memory that processes of a service share, and that each has for itself. proc_pid_smaps(5)."""

from __future__ import annotations

from pathlib import Path

from horus_supervisor import Client
from tests.service.apps import testjobs as jobs
from tests.support.service import Service
from tests.support.waiting import wait_until

FRESH_STARTS = True
"""Where nothing is shared with the tests."""

JOBS = 100
MOST_PRIVATE_KB = 4 * 1024
LEAST_SHARED_KB = 4 * 1024


def memory_kb(pid: int, kind: str) -> int:
    """Tell the sum of a process's pages of that kind: ``Private_`` or ``Shared_``."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(kind + "Dirty"))


def test_a_runner_has_little_memory_of_its_own(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    last = client.enqueue_many([jobs.Collect()] * JOBS, queue="q")[-1]
    wait_until(lambda: last.status() == "succeeded", "all jobs")
    [runner] = service.runner_pids()
    assert memory_kb(runner, "Private_") < MOST_PRIVATE_KB
    assert memory_kb(runner, "Shared_") > LEAST_SHARED_KB


def test_the_keeper_shares_memory_with_its_supervisor(service: Service) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    keeper = service.program("horus-keeper")
    assert memory_kb(keeper, "Shared_") > LEAST_SHARED_KB

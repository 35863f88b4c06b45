"""The supervisor as process 1, as in a container: of a pid namespace of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from horus_supervisor import Client, linux
from tests.service.apps import testjobs as jobs
from tests.support import processes
from tests.support.service import Service, alive
from tests.support.waiting import wait_until

CONTAINER = ("unshare", "-pf", "--mount-proc")


def may_unshare() -> bool:
    try:
        return (
            subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


pytestmark = pytest.mark.skipif(
    not (may_unshare() and shutil.which("nsenter")), reason="needs the right to make namespaces"
)


@pytest.fixture
def first(service: Service) -> Iterator[int]:
    """A service of two runners as process 1; gives its pid out here."""
    service.write("[queues]\nq = 2\n")
    service.start(within=CONTAINER)
    [pid] = processes.offspring(service.pid)
    yield pid
    if alive(pid):
        os.kill(pid, signal.SIGKILL)  # and the kernel all of its namespace


def inside(pid: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the namespaces of a process, as ``docker exec`` does."""
    enter = ["nsenter", "-t", str(pid), "-p", "-m", f"--wd={os.getcwd()}", "--"]
    return subprocess.run(
        [*enter, *command], capture_output=True, text=True, timeout=120, check=False
    )


def test_process_1_serves_and_answers_probes(service: Service, first: int, client: Client) -> None:
    assert service.events("supervisor.started")[0]["pid"] == 1
    service.wait_for("job.succeeded", job_id=client.enqueue(jobs.Quick()).id)
    module = ("-m", "horus_supervisor.supervisor.main")
    asked = inside(first, sys.executable, *module, "-c", str(service.config), "--probe", "ready")
    assert (asked.returncode, asked.stdout) == (0, "ready: serving 2 runners\n")


def test_process_1_reaps_strangers(service: Service, first: int) -> None:
    """What ``docker exec`` leaves behind is nobody's descendant, and comes to process 1."""
    before = set(processes.offspring(first))
    assert inside(first, "sh", "-c", "sleep 60 >&- 2>&- & sleep 60 >&- 2>&- &").returncode == 0
    wait_until(lambda: len(set(processes.offspring(first)) - before) == 2, "two strangers")
    for stranger in set(processes.offspring(first)) - before:
        os.kill(stranger, signal.SIGKILL)
    wait_until(
        lambda: set(processes.offspring(first)) == before, "both reaped", on_failure=service.tail
    )
    assert service.events("runner.crashed") == service.events("supervisor.fault") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_process_1_lets_running_jobs_finish(
    service: Service, first: int, client: Client, number: int
) -> None:
    job = client.enqueue(jobs.Hang(service.path("began"), 1.0, service.path("done")))
    service.wait_for("job.started", job_id=job.id)
    os.kill(first, number)
    assert service.wait() == 0
    assert job.status() == "succeeded"
    assert service.events("supervisor.stopped")


def test_a_stop_of_process_1_is_heard_before_it_serves(service: Service) -> None:
    """Without a handler of its own the kernel would keep it from process 1."""
    service.write("[queues]\nq = 2\n")
    lock = service.folder / "state" / "lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        service.start(ready=False, within=CONTAINER)
        wait_until(
            lambda: set(linux.holders(lock)) & set(processes.offspring(service.pid)), "it waits"
        )
        os.kill(processes.offspring(service.pid)[0], signal.SIGTERM)
        assert service.wait() == 0
    assert service.lines() == []


def test_process_1_takes_new_code(service: Service, first: int) -> None:
    os.kill(first, signal.SIGHUP)
    service.wait_for("reload.done")


def test_a_killed_process_1_takes_everybody_with_it(service: Service, first: int) -> None:
    everybody = processes.offspring(first)
    assert len(everybody) >= 4
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, everybody)), "nobody left", within_s=5)

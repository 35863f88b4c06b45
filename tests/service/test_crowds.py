"""Many at once: queues, runners, signals, deaths before the first claim; and too little room."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import dying
from tests.service.apps import testjobs as jobs
from tests.support import cgroups
from tests.support.service import ROOT, Service
from tests.support.waiting import wait_until


def test_a_thousand_queues_are_served(service: Service, client: Client) -> None:
    names = [f"q{number}".ljust(64, "q") for number in range(1000)]
    service.write(f"[groups.all]\nqueues = {names}\nrunners = 2\n")
    service.start()
    handles = [client.enqueue(jobs.Quick(), queue=name) for name in names[::37]]
    wait_until(
        lambda: all(handle.status() == "succeeded" for handle in handles),
        "a job of every 37th queue",
        on_failure=service.tail,
    )
    service.write(f"[groups.all]\nqueues = {names[1:]}\nrunners = 2\n")
    service.wait_for("runner.started", count=4)
    job = client.enqueue(jobs.Quick(), queue=names[-1])
    wait_until(lambda: job.status() == "succeeded", "the last queue", on_failure=service.tail)


def test_what_is_to_be_imported_may_be_longer_than_a_message(
    service: Service, client: Client
) -> None:
    """As the names of two thousand modules are."""
    service.write("[queues]\nq = 1\n", path=f'{ROOT}", "{"nowhere" * 10_000}')
    service.start()
    job = client.enqueue(jobs.Quick(), queue="q")
    wait_until(lambda: job.status() == "succeeded", "a job", on_failure=service.tail)


def test_runners_leave_enough_descriptors_for_another_keeper_and_another_template(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 60\n")
    service.start(ready=False, within=["sh", "-c", 'ulimit -n 160 && exec "$@"', "sh"])
    service.wait_for("supervisor.starved")
    keeper = service.program("horus-keeper")
    os.kill(keeper, signal.SIGKILL)
    service.wait_for("child.exited", pid=keeper)
    service.program("horus-keeper")
    service.signal(signal.SIGHUP)
    service.wait_for("template.ready", generation=2)
    job = client.enqueue(jobs.Quick(), queue="q", delay=0.01)
    wait_until(lambda: job.status() == "succeeded", "a job that the new keeper promotes")
    assert service.stop() == 0


@pytest.mark.slow
def test_two_hundred_runners_start_work_and_stop(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 200\n", supervisor='shutdown_timeout = "20s"')
    service.start(ready=False)
    service.wait_for("supervisor.ready")
    client.enqueue_many([jobs.Quick()] * 2000, queue="q")
    service.wait_for("job.succeeded", count=2000)
    assert service.stop() == 0
    assert service.events("runner.crashed") == []
    assert len(service.events("runner.exited")) == 200


def test_deaths_at_every_point_before_the_first_claim_cost_no_seat(
    service: Service, client: Client
) -> None:
    service.write("[groups.q]\nqueues = ['q']\nrunners = 30\n", imports=dying.__name__)
    middles, runners = Path(service.path("middles")), Path(service.path("runners"))
    service.start(ready=False, env={"HORUS_TEST_DYING": str(service.folder)})
    service.wait_for("supervisor.ready")
    wait_until(lambda: middles.stat().st_size > dying.MIDDLES, "middle processes died, and one not")
    wait_until(lambda: runners.stat().st_size >= dying.RUNNERS + 30, "all died, and more came")
    handles = client.enqueue_many([dying.Nothing()] * 100)
    wait_until(lambda: handles[-1].status() == "succeeded", "a job", on_failure=service.tail)
    wait_until(lambda: len(service.runner_pids()) == 30, "all seats", on_failure=service.tail)
    assert service.stop() == 0
    crashed = service.events("runner.crashed")
    assert dying.RUNNERS <= len(crashed) <= dying.RUNNERS + dying.MIDDLES
    assert Counter(line["job_id"] for line in crashed if "job_id" in line) == {}
    records = client.connection.run(operations.crashes(client.namespace, 100))[0]
    assert len(records) == len(crashed) == len(service.events("job.crashed"))
    assert not list((service.folder / "state" / "spool").iterdir())


def test_signals_in_every_order_and_at_once_are_answered(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 2\n")
    service.start()
    harmless = (signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGCONT)
    for order in itertools.permutations(harmless, 3):
        for number in order:
            service.signal(number)
    service.signal(signal.SIGHUP)
    service.wait_for("reload.done")
    job = client.enqueue(jobs.Quick())
    wait_until(lambda: job.status() == "succeeded", "a job", on_failure=service.tail)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
        service.signal(number)
    assert service.wait() == 0
    assert len(service.events("supervisor.stopping")) == 1
    assert service.events("runner.crashed") == service.events("supervisor.fault") == []


def test_when_the_kernel_refuses_processes_runners_come_once_it_grants_them(
    service: Service, client: Client
) -> None:
    with cgroups.cgroup("pids", pids__max="8") as small:
        service.write("[queues]\nq = 10\n")
        service.start(ready=False, within=cgroups.enter(small))
        told = service.wait_for("supervisor.starved")
        job = client.enqueue(jobs.Quick())
        wait_until(lambda: job.status() == "succeeded", "a job", on_failure=service.tail)
        (small / "pids.max").write_text("max")
        service.wait_for("supervisor.ready")
        assert service.stop() == 0
    assert os.strerror(errno.EAGAIN) in told["error"]


def test_a_tmp_that_can_not_be_written_is_not_needed(service: Service, client: Client) -> None:
    here = str(service.folder)
    unshare = ["unshare", "--mount", "sh", "-c"]
    mounts = (
        "mount --bind /tmp /tmp && "
        'case "$0" in /tmp/*) mount --bind "$0" "$0";; esac && '
        'mount -o remount,bind,ro /tmp && exec "$@"'
    )
    within = [*unshare, mounts, here]
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    service.write("[queues]\nq = 1\n")
    service.start(within=within)
    job = client.enqueue(jobs.Quick(service.path("ran")))
    wait_until(lambda: job.status() == "succeeded", "a job", on_failure=service.tail)
    service.signal(signal.SIGHUP)
    service.wait_for("reload.done")
    assert service.stop() == 0

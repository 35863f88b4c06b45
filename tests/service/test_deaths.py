"""A runner dies: which job it was, how it died, where the job is now."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import limitjobs
from tests.service.apps import testjobs as jobs
from tests.support.horus import Horus
from tests.support.redis_server import RedisServer
from tests.support.service import Service, alive
from tests.support.waiting import wait_until

ONE = """
[groups.q]
queues = ["q"]
runners = 1
crash_delay = "100ms"
kill_after = "300ms"
"""

PATIENT = """
[groups.patient]
queues = ["patient"]
runners = 1
"""
"""For jobs that give way: a busy machine may take a while to let them."""

KEPT = ONE.replace("runners = 1", "runners = 8") + PATIENT
"""So many that their restarts, twice as many, do for all tests that borrow the service."""

IMPORTS = f'{jobs.__name__}", "{limitjobs.__name__}'


def records(client: Client, job_id: str | None = None) -> list[dict[str, Any]]:
    """All crash records, or those of one job, newest first."""
    found = client.connection.run(operations.crashes(client.namespace, 100))[0]
    return [record for record in found if job_id in (None, record["job_id"])]


def test_a_killed_runner_leaves_one_crash_record_and_its_job_runs_again(
    service: Service, client: Client, horus: Horus
) -> None:
    service.write(ONE)
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    started = service.begun(job.id, service.path("ran"))

    os.kill(started["pid"], signal.SIGKILL)

    crashed = service.wait_for("runner.crashed", job_id=job.id, within_s=5)
    assert (crashed["signal"], crashed["job"]) == ("SIGKILL", jobs.HangOnce.__horus__.name)
    told = service.wait_for("job.crashed", job_id=job.id, within_s=5)
    assert told["crash_id"] == crashed["crash_id"]
    assert told["disposition"] == "requeued"
    wait_until(lambda: job.status() == "succeeded", "second run", on_failure=service.tail)
    [record] = horus.json("crashes")["crashes"]
    assert record["crash_id"] == crashed["crash_id"]
    assert record["job_id"] == job.id


@pytest.mark.parametrize(
    ("how", "cause", "sig", "code", "stack"),
    [
        ("segfault", "signal", "SIGSEGV", None, True),
        ("abort", "signal", "SIGABRT", None, True),
        ("kill", "signal", "SIGKILL", None, False),
        ("exit3", "exit", None, 3, False),
        ("exit0", "exit", None, 0, False),
    ],
)
def test_each_way_to_die_is_told_apart(
    borrowed: Service,
    borrower: Client,
    how: str,
    cause: str,
    sig: str | None,
    code: int | None,
    stack: bool,
) -> None:
    job = borrower.enqueue(jobs.Die(how, borrowed.path("ran"), times=1))
    wait_until(lambda: job.status() == "succeeded", "second run", on_failure=borrowed.tail)
    [record] = records(borrower, job.id)
    assert (record["cause"], record["signal"], record["exit_code"]) == (cause, sig, code)
    assert (record["job_id"], record["job"], record["attempt"]) == (
        job.id,
        jobs.Die.__horus__.name,
        1,
    )
    assert record["args"]["how"] == how
    crashed = borrowed.wait_for("job.crashed", crash_id=record["crash_id"])
    died = f"killed by {sig}" if sig else f"exited with {code}"
    assert crashed["message"].endswith(f": {died}; the job is requeued")
    assert "last words" in record["output_tail"]
    assert bool(record["traceback"]) == stack
    if stack:
        assert "testjobs.py" in record["traceback"]
    if how == "abort":
        assert "C said this before it aborted" in record["output_tail"]


def test_a_job_that_keeps_killing_is_quarantined_at_max_crashes_and_retried_on_demand(
    service: Service, client: Client, horus: Horus
) -> None:
    service.write(ONE)
    service.start()
    job = client.enqueue(jobs.Die("kill", service.path("ran"), times=3))
    dead = service.wait_for("job.dead", job_id=job.id)
    assert dead["reason"] == "quarantined"
    assert [r["disposition"] for r in records(client)] == ["quarantined", "scheduled", "requeued"]
    assert len(jobs.marks(service.path("ran"))) == 3
    assert job.status() == "dead"
    assert horus.json("retry", job.id)["done"] == [job.id]
    wait_until(lambda: job.status() == "succeeded", "the retried job", on_failure=service.tail)


def test_max_attempts_1_is_never_started_twice(borrowed: Service, borrower: Client) -> None:
    crashed = borrower.enqueue(jobs.Die("kill", borrowed.path("crash")), max_attempts=1)
    late = borrower.enqueue(jobs.Late("stubborn", borrowed.path("late")), max_attempts=1)
    failed = borrower.enqueue(jobs.Attempts(borrowed.path("fail")), max_attempts=1)
    for job in (crashed, late, failed):
        borrowed.wait_for("job.dead", job_id=job.id)
    for name in ("crash", "late", "fail"):
        assert len(jobs.marks(borrowed.path(name))) == 1


def test_a_death_takes_the_children_of_the_job_with_it(borrowed: Service, borrower: Client) -> None:
    job = borrower.enqueue(jobs.Child(borrowed.path("pids"), then="kill"), max_attempts=1)
    borrowed.wait_for("runner.crashed", job_id=job.id)
    [child] = jobs.marks(borrowed.path("pids"))
    wait_until(lambda: not alive(int(child)), "the job's child is gone", within_s=6)


@pytest.mark.parametrize(("how", "attempts"), [("stubborn", 2), ("blocked", 1)])
def test_a_job_that_does_not_give_way_is_killed(
    borrowed: Service, borrower: Client, how: str, attempts: int
) -> None:
    job = borrower.enqueue(jobs.Late(how, borrowed.path("ran")), max_attempts=attempts)
    crashed = borrowed.wait_for("runner.crashed", job_id=job.id)
    assert (crashed["cause"], crashed["signal"]) == ("timeout", "SIGKILL")
    dead = borrowed.wait_for("job.dead", job_id=job.id)
    assert dead["reason"] == "exhausted"
    told = records(borrower, job.id)
    assert [record["disposition"] for record in told] == ["exhausted", "scheduled"][:attempts]
    if how == "stubborn":
        assert "testjobs.py" in told[0]["traceback"]


@pytest.mark.parametrize("how", ["yield", "c"])
def test_a_job_that_gives_way_to_its_timeout_fails(
    borrowed: Service, borrower: Client, how: str
) -> None:
    late = jobs.Late(how, borrowed.path("ran"))
    job = borrower.enqueue(late, queue="patient", max_attempts=1)
    failed = borrowed.wait_for("job.failed", job_id=job.id)
    assert failed["error_type"] == "horus_supervisor.errors.JobTimeout"
    borrowed.wait_for("job.timed_out", job_id=job.id)
    borrowed.wait_for("job.dead", job_id=job.id, reason="exhausted")
    assert borrowed.events("runner.crashed", job_id=job.id) == []
    assert records(borrower, job.id) == []


def test_an_idle_runner_that_is_killed_leaves_a_record_without_a_job(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    [pid] = service.runner_pids()
    os.kill(pid, signal.SIGTERM)  # drains: no crash
    service.wait_for("runner.exited", pid=pid)
    service.wait_for("runner.started", count=2)
    [pid] = service.runner_pids()
    os.kill(pid, signal.SIGKILL)
    crashed = service.wait_for("job.crashed")
    assert crashed["job_id"] is None
    [record] = records(client)
    assert (record["job_id"], record["disposition"]) == (None, "none")


def test_runners_that_die_at_once_are_restarted_by_the_one_policy(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start(constants={"supervisor.credit.FIRST_DELAY_S": 0.1})
    for _ in range(7):  # so many that a credit is used up though a busy machine takes its time
        client.enqueue(jobs.Die("kill", service.path("ran")), max_attempts=1)
    service.wait_for("crash_loop", group="q")
    service.wait_for("job.dead", count=7)
    assert len(service.events("runner.crashed")) == 7


def test_the_stack_of_a_job_that_gave_way_in_the_end_is_no_later_crashs(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    late = client.enqueue(jobs.Late("dumped", service.path("late")))
    service.wait_for("job.succeeded", job_id=late.id)
    [pid] = service.runner_pids()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    os.kill(pid, signal.SIGKILL)
    crashed = service.wait_for("runner.crashed", pid=pid)
    assert (crashed["job_id"], crashed.get("traceback")) == (job.id, None)


@pytest.mark.parametrize("how", ["threads", "crowd", "overflow", "core", "libc", "flood"])
def test_a_death_in_c_leaves_the_stack_of_every_thread_and_the_last_words_of_c(
    borrowed: Service, borrower: Client, how: str
) -> None:
    job = borrower.enqueue(limitjobs.Crash(how), max_attempts=1)
    crashed = borrowed.wait_for("job.crashed", job_id=job.id)
    [record] = records(borrower, job.id)
    assert record["crash_id"] == crashed["crash_id"]
    sent = "SIGSEGV" if how in ("threads", "crowd", "overflow") else "SIGABRT"
    assert (record["cause"], record["signal"]) == ("signal", sent)
    stack = record["traceback"]
    if how == "threads":
        assert "in _beside_a_thread" in stack
        assert "in wait_in_another_thread" in stack
    elif how == "crowd":
        assert stack.index("in wait_and_die") < 1000, "cut is what the others do"
    elif how == "overflow":
        assert "in deeper" in stack
    elif how == "libc":
        assert "what C said at last" in record["output_tail"]
    elif how == "flood":
        assert record["output_tail"][-2:] == ["line 9999 ".ljust(100, "."), "the very last line"]
    elif record["core_dumped"]:
        pattern = Path("/proc/sys/kernel/core_pattern").read_text()
        if pattern.startswith("|"):
            assert "its core was handed to" in record["note"]
        else:
            assert Path(record["core_path"]).stat().st_size > 0
    else:
        pytest.skip("no core was dumped: the hard limit of this machine forbids it")


def test_what_a_process_that_leaves_no_stack_hung_in_is_told(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(limitjobs.InC(), max_attempts=1)
    borrowed.wait_for("job.crashed", job_id=job.id)
    [record] = records(borrower, job.id)
    assert (record["cause"], record["traceback"]) == ("timeout", None)
    assert record["hung_in"].startswith("state S (sleeping)")
    assert "syscall" in record["hung_in"]


def test_a_death_is_recorded_once_whoever_else_is_gone_at_that_moment(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(ONE, supervisor='lease = "1h"')
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        who = ("redis", "keeper", "redis and keeper", "supervisor")
        died = [die_while(outage, own_redis, client, gone) for gone in who]
        found = client.connection.run(operations.crashes(namespace, 10))[0]
    assert [(r["crash_id"], r["signal"], bool(r["job_id"])) for r in reversed(found)] == [
        (crash_id, "SIGKILL", True) for crash_id in died
    ]


def die_while(outage: Service, redis: RedisServer, client: Client, gone: str) -> str:
    """Kill a runner in mid-job and others before its death can be told; its crash id."""
    job = client.enqueue(jobs.HangOnce(outage.path(gone)))
    runner = outage.begun(job.id, outage.path(gone))["pid"]
    keeper = outage.program("horus-keeper")
    if gone != "supervisor":  # the kernel would end a keeper that is stopped when its parent dies
        os.kill(keeper, signal.SIGSTOP)
    if "redis" in gone:
        redis.kill()
    os.kill(runner, signal.SIGKILL)
    crash_id: str = outage.wait_for("runner.crashed", pid=runner)["crash_id"]
    if gone == "supervisor":
        outage.kill()
        outage.start()
    else:
        os.kill(keeper, signal.SIGKILL if "keeper" in gone else signal.SIGCONT)
    if "redis" in gone:
        redis.start()
    if gone != "supervisor":  # its keeper's last line may have been in the pipe between them
        outage.wait_for("job.crashed", crash_id=crash_id, signal="SIGKILL", job_id=job.id)
    wait_until(lambda: job.status() == "succeeded", "it runs again", on_failure=outage.tail)
    return crash_id


def test_a_death_that_waited_for_redis_over_a_restart_is_told_in_the_end(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(ONE)
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        job = client.enqueue(jobs.HangOnce(outage.path("ran")))
        started = outage.begun(job.id, outage.path("ran"))
        own_redis.kill()
        outage.wait_for("redis.lost")
        os.kill(started["pid"], signal.SIGKILL)
        died = outage.wait_for("runner.crashed", job_id=job.id)
        outage.kill()
        own_redis.start()
        outage.start()
        told = outage.wait_for("job.crashed", crash_id=died["crash_id"])
        assert (told["job_id"], told["disposition"]) == (job.id, "requeued")
        [record] = client.connection.run(operations.crashes(namespace, 10))[0]
        assert (record["crash_id"], record["signal"]) == (died["crash_id"], "SIGKILL")

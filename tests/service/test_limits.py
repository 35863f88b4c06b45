"""What a group's runners may take, and how long one that does not answer is borne."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import limitjobs as jobs
from tests.service.apps.testjobs import Quick, marks
from tests.support.service import Service, alive, children
from tests.support.waiting import wait_until

IMPORTS = jobs.__name__

ONE = """
[groups.q]
queues = ["q"]
runners = 1
crash_delay = "100ms"
kill_after = "300ms"
"""

KEPT = (
    ONE
    + """
[groups.small]
queues = ["small"]
runners = 1
crash_delay = "100ms"
hard_memory = "64MiB"

[groups.large]
queues = ["large"]
runners = 1
hard_memory = "256MiB"
"""
)

SOON = {
    "supervisor.plan.SILENT_S": 3.0,
    "supervisor.plan.SILENT_AT_WORK_S": 4.0,
    "supervisor.pulse.POKE_AFTER_S": 1.0,
    "supervisor.pulse.POKE_EVERY_S": 1.0,
}
"""Instead of half a minute."""


def record_of(client: Client, crash_id: str) -> dict[str, Any]:
    found = client.connection.run(operations.crashes(client.namespace, 100))[0]
    [record] = [record for record in found if record["crash_id"] == crash_id]
    return record


def start(service: Service, groups: str, **how: Any) -> None:
    service.write(groups, imports=IMPORTS)
    service.start(**how)


# --- hard_memory -------------------------------------------------------------------------------


def test_a_job_that_grows_in_c_past_hard_memory_is_killed_and_that_is_an_attempt(
    borrowed: Service, borrower: Client
) -> None:
    swell = jobs.Swell(200, borrowed.path("swollen"))
    job = borrower.enqueue(swell, queue="small", max_attempts=2)
    dead = borrowed.wait_for("job.dead", job_id=job.id)
    assert dead["reason"] == "exhausted"
    crashed, _ = borrowed.events("runner.crashed", job_id=job.id)
    record = record_of(borrower, crashed["crash_id"])
    assert (record["cause"], record["signal"], record["disposition"]) == (
        "memory",
        "SIGKILL",
        "scheduled",
    )
    assert record["max_rss_bytes"] > 64 << 20
    assert "hard_memory is 64MiB" in record["note"]
    assert record["ran_for_s"] < 5


def test_a_job_within_hard_memory_is_left_alone(borrowed: Service, borrower: Client) -> None:
    swell = jobs.Swell(200, borrowed.path("swollen"), stay_s=1)
    job = borrower.enqueue(swell, queue="large")
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=borrowed.tail)
    assert borrowed.events("runner.crashed", group="large") == []


# --- settings of a group -----------------------------------------------------------------------

SETTINGS = """
nice = 5
oom_score_adj = 700
open_files = 333
environment = { HORUS_TEST_VARIABLE = "as in the file" }
"""


def test_a_groups_runners_get_its_priority_score_descriptors_and_variables(
    service: Service, client: Client
) -> None:
    start(service, ONE + SETTINGS)
    for expected in ("5 700 333 as in the file", "5 700 333 changed"):
        job = client.enqueue(jobs.Tell(service.path("told")))
        service.wait_for("job.succeeded", job_id=job.id)
        assert marks(service.path("told"))[-1] == expected
        service.write(ONE + SETTINGS.replace("as in the file", "changed"), imports=IMPORTS)
        service.wait_for("runner.started", count=2)
    assert service.events("runner.unlimited") == []


def test_a_setting_that_the_kernel_refuses_is_told_and_the_runner_serves(
    service: Service, client: Client
) -> None:
    start(service, ONE + "open_files = 1_000_000_000\nnice = 3")
    told = service.wait_for("runner.unlimited", runner="q/1")
    assert told["setting"] == "open_files = 1000000000"
    job = client.enqueue(jobs.Tell(service.path("told")))
    wait_until(lambda: job.status() == "succeeded", "told", on_failure=service.tail)
    assert marks(service.path("told"))[0].startswith("3 ")


# --- stuck outside of a job --------------------------------------------------------------------


def test_a_runner_that_was_stopped_while_idle_is_replaced_as_stuck(
    service: Service, client: Client
) -> None:
    start(service, ONE, constants=SOON)
    [pid] = service.runner_pids()
    service.until_idle(pid)
    os.kill(pid, signal.SIGSTOP)
    stuck = service.wait_for("runner.stuck", pid=pid)
    assert stuck["silent_s"] >= 3
    crashed = service.wait_for("job.crashed", pid=pid)
    assert crashed["job_id"] is None
    record = record_of(client, crashed["crash_id"])
    assert (record["cause"], record["signal"], record["job_id"]) == ("stuck", "SIGKILL", None)
    assert record["hung_in"].startswith("state T (stopped)")
    service.wait_for("runner.started", count=2)
    job = client.enqueue(jobs.Tell(service.path("told")))
    wait_until(lambda: job.status() == "succeeded", "its successor works", on_failure=service.tail)


def test_an_idle_runner_answers_when_it_is_poked_and_is_left_alone(service: Service) -> None:
    start(service, ONE.replace("runners = 1", "runners = 2"), constants=SOON)
    first, second = service.runner_pids()
    service.until_idle(second)
    os.kill(second, signal.SIGSTOP)
    service.wait_for("runner.stuck", pid=second)  # as long as this takes the other was idle too
    service.wait_for("runner.started", count=3)
    assert alive(first)
    assert service.events("runner.stuck", pid=first) == []


def test_a_runner_that_hangs_after_its_job_is_stuck_and_the_job_is_done_once(
    service: Service, client: Client
) -> None:
    start(service, ONE, constants=SOON)
    job = client.enqueue(jobs.HangAfterwards(service.path("ran")))
    crashed = service.wait_for("runner.crashed", cause="stuck")
    assert "limitjobs.py" in crashed["traceback"]
    wait_until(lambda: job.status() == "succeeded", "done", on_failure=service.tail)
    service.wait_for("runner.started", count=2)
    assert len(marks(service.path("ran"))) == 1


def test_a_start_that_hangs_is_ended_and_tried_again(service: Service, client: Client) -> None:
    service.write(ONE)
    hangs = Path(service.path("hangs"))
    hangs.touch()
    service.start(ready=False, env={"HORUS_TEST_START_HANGS": str(hangs)}, constants=SOON)
    stuck = service.wait_for("runner.stuck", runner="q/1")
    service.wait_for("runner.crashed", cause="stuck", pid=stuck["pid"])
    hangs.unlink()
    job = client.enqueue(Quick())
    wait_until(lambda: job.status() == "succeeded", "one that starts", on_failure=service.tail)


def test_a_start_that_takes_long_is_borne_for_longer_than_idle_silence(service: Service) -> None:
    hangs = Path(service.path("hangs"))
    service.write(ONE.replace("runners = 1", "runners = 2"))
    patient = {**SOON, "supervisor.plan.SILENT_AT_WORK_S": 60.0}
    service.start(env={"HORUS_TEST_START_HANGS": str(hangs)}, constants=patient)
    idle, other = service.runner_pids()
    service.until_idle(idle)
    hangs.touch()
    os.kill(other, signal.SIGKILL)
    starting = service.wait_for("runner.started", count=3)["pid"]
    os.kill(idle, signal.SIGSTOP)
    service.wait_for("runner.stuck", pid=idle)  # the other has been silent for longer by now
    assert alive(starting)
    assert service.events("runner.stuck", pid=starting) == []
    hangs.unlink()


# --- what jobs leave behind --------------------------------------------------------------------


@pytest.mark.parametrize("die", [False, True])
def test_what_a_job_leaves_behind_is_ended_once_its_runner_is_gone(
    service: Service, client: Client, die: bool
) -> None:
    start(service, ONE.replace("runners = 1", "runners = 2"))
    job = client.enqueue(jobs.Leave(service.path("left"), die=die), max_attempts=1)
    wait_until(lambda: job.status() in ("succeeded", "dead"), "its end", on_failure=service.tail)
    left = int(marks(service.path("left"))[0])
    if not die:
        assert left in children(service.pid, "sleep")
        its = service.wait_for("job.started", job_id=job.id)["pid"]
        [other] = set(service.runner_pids()) - {its}
        os.kill(other, signal.SIGKILL)
        service.wait_for("runner.started", count=3)
        assert alive(left)  # it may serve the jobs of that runner yet
        service.write("[queues]\nq = 0\n", imports=IMPORTS)
    ended = service.wait_for("orphan.ended", pid=left)
    assert ended["name"] == "sleep"
    wait_until(lambda: not alive(left), "it is gone")


def test_a_fork_that_a_job_leaves_behind_outlives_no_runner_and_holds_no_lock(
    service: Service, client: Client
) -> None:
    start(service, ONE)
    job = client.enqueue(jobs.LeaveFork(service.path("left")))
    wait_until(lambda: job.status() == "succeeded", "its end", on_failure=service.tail)
    [left] = map(int, marks(service.path("left")))
    wait_until(lambda: left in children(service.pid, "horus q/1"), "it is adopted")
    assert service.stop() == 0
    assert service.events("orphan.ended", pid=left)
    wait_until(lambda: not alive(left), "it is gone")


def test_what_is_not_marked_as_a_runners_is_let_live(borrowed: Service, borrower: Client) -> None:
    free = borrower.enqueue(jobs.Leave(borrowed.path("free"), marked=False))
    wait_until(lambda: free.status() == "succeeded", "its end", on_failure=borrowed.tail)
    job = borrower.enqueue(jobs.Leave(borrowed.path("left"), die=True), max_attempts=1)
    borrowed.wait_for("orphan.ended", pid=int(_first(borrowed.path("left"), borrowed)))
    wait_until(lambda: job.status() == "dead", "its death is told", on_failure=borrowed.tail)
    [pid] = map(int, marks(borrowed.path("free")))
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "its adopted parent reaps it")


def _first(path: str, service: Service) -> str:
    wait_until(lambda: marks(path) != [], "a mark", on_failure=service.tail)
    return marks(path)[0]

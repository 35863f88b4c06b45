"""A class whose jobs bring down runner after runner: it alone is held back."""

from __future__ import annotations

import os
import signal

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs as jobs
from tests.support.rolling import App
from tests.support.service import Service
from tests.support.waiting import wait_until

NAME = jobs.Poison.__horus__.name


def test_a_poisoned_class_kills_few_runners_and_hurts_no_other_class(
    service: Service, client: Client
) -> None:
    service.write("[groups.g]\nqueues = ['q']\nrunners = 2\nhold_after = 5\n")
    delays = ("FIRST_DELAY_S", "LONGEST_DELAY_S")  # of the fifth death, which is forgiven
    service.start(constants={f"supervisor.credit.{delay}": 3600 for delay in delays})
    poison = jobs.Poison(service.path("ran"), service.path("cure"))
    handles = client.enqueue_many([poison] * 300)
    healthy = client.enqueue(jobs.Quick())
    held = service.wait_for("crash_loop", job=NAME)
    assert f"horus resume --job {NAME}" in held["message"]
    wait_until(lambda: healthy.status() == "succeeded", "another class", on_failure=service.tail)
    wait_until(lambda: len(service.runner_pids()) == 2, "all runners", on_failure=service.tail)
    assert len(jobs.marks(service.path("ran"))) <= 7  # the five, and one that had begun each
    jobs.mark(service.path("cure"))
    assert client.connection.run(operations.unhold(client.namespace, NAME))[0] == "ok"
    wait_until(
        lambda: {handle.status() for handle in handles[-20:]} == {"succeeded"},
        "the cured jobs",
        on_failure=service.tail,
    )


def test_a_class_of_which_some_jobs_succeed_is_not_held(service: Service, client: Client) -> None:
    service.write("[groups.g]\nqueues = ['q']\nrunners = 1\nhold_after = 3\n")
    service.start()
    bad = jobs.Poison(service.path("ran"), service.path("none"))
    good = jobs.Poison(service.path("ran"), service.path("cure"))
    jobs.mark(service.path("cure"))
    last = client.enqueue_many([bad, good, bad, good, bad, good])[-1]
    wait_until(lambda: last.status() == "succeeded", "the last", on_failure=service.tail)
    assert service.events("crash_loop", job=NAME) == []


KILL = """
class Kill(Job, name="rolled.Kill", queue="q"):
    def execute(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
"""
CURED = KILL.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass")


def test_new_code_lets_a_class_run_again_and_the_same_code_does_not(
    service: Service, client: Client
) -> None:
    app = App(service, client)
    app.write("1", KILL)
    app.serve("[groups.g]\nqueues = ['q']\nrunners = 1\nhold_after = 2\n")
    ids = [client.enqueue_raw("rolled.Kill", b"{}", "q").id for _ in range(5)]
    service.wait_for("crash_loop", job="rolled.Kill")
    assert app.says() == "1"  # past all of them, which are parked
    app.reload()
    app.done()
    assert app.says() == "1"
    assert service.events("class.resumed") == []
    app.write("2", CURED)
    app.reload()
    service.wait_for("class.resumed", job="rolled.Kill")
    wait_until(lambda: client.status(ids[-1]) == "succeeded", "the cured", on_failure=service.tail)
    assert len(service.events("job.crashed")) == 2  # both of the first job


def test_a_success_of_a_runner_that_lives_on_counts(service: Service, client: Client) -> None:
    service.write("[groups.g]\nqueues = ['q']\nrunners = 2\nhold_after = 3\n")
    service.start()
    for n in range(6):
        job = client.enqueue(jobs.HangOnce(service.path(f"ran{n}")))
        started = service.begun(job.id, service.path(f"ran{n}"))
        os.kill(started["pid"], signal.SIGKILL)
        wait_until(lambda: job.status() == "succeeded", "its second start", on_failure=service.tail)  # noqa: B023
    assert service.events("crash_loop", job=jobs.HangOnce.__horus__.name) == []

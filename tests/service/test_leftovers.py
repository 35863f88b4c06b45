"""What a job leaves behind in its process, and what the next one finds."""

from __future__ import annotations

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs, untidy
from tests.support.service import Service
from tests.support.waiting import wait_until

KEPT = ONE = "[queues]\nq = 1\n"
IMPORTS = untidy.__name__

TIMERS = ("profiler", "cpu limit", "watchdog")
"""They would strike while the next job uses the CPU."""


@pytest.mark.parametrize(
    "what",
    [
        *("writer", "wrapper", "no stdout", "stderr", "stdin", "encoding", "asyncio's pipe"),
        *("environ", "zone", "profiler", "cpu limit", "every signal", "watchdog", "limit"),
        *("processors", "policy"),
    ],
)
def test_what_a_job_leaves_behind_is_put_back_and_the_runner_lives_on(
    borrowed: Service, borrower: Client, what: str
) -> None:
    borrower.enqueue(untidy.State(borrowed.path("found")))
    borrower.enqueue(untidy.Untidy(what, borrowed.path("ran")))
    last = borrower.enqueue(untidy.State(borrowed.path("found"), 0.1 if what in TIMERS else 0.0))
    wait_until(lambda: last.status() == "succeeded", "all three", on_failure=borrowed.tail)
    before, after = testjobs.marks(borrowed.path("found"))
    assert before == after
    assert len(testjobs.marks(borrowed.path("ran"))) == 1
    for text in ("heard", "heard too", "a child sees it"):
        borrowed.wait_for("output", text=text, count=2)


@pytest.mark.parametrize("what", ["every signal", "faulthandler off", "faulthandler on"])
def test_a_death_after_a_job_that_changed_faulthandler_leaves_its_stack(
    borrowed: Service, borrower: Client, what: str
) -> None:
    borrower.enqueue(untidy.Untidy(what, borrowed.path("ran")))
    job = borrower.enqueue(testjobs.Die("segfault", borrowed.path("died")), max_attempts=1)
    borrowed.wait_for("job.crashed", job_id=job.id)
    records = borrower.connection.run(operations.crashes(borrower.namespace, 10))[0]
    [record] = [record for record in records if record["job_id"] == job.id]
    assert "testjobs.py" in record["traceback"]


def test_what_can_not_be_put_back_gets_the_runner_recycled_and_the_job_is_done_once(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(untidy.Untidy("umask", borrowed.path("ran")))
    after = borrower.enqueue(testjobs.Quick())
    wait_until(lambda: after.status() == "succeeded", "the next job", on_failure=borrowed.tail)
    recycled = borrowed.wait_for("runner.recycled")
    assert "TypeError" in recycled["reason"]
    borrowed.wait_for("job.succeeded", job_id=job.id)
    assert len(testjobs.marks(borrowed.path("ran"))) == 1


def test_a_runner_without_a_free_descriptor_fails_one_job_and_no_more(
    borrowed: Service, borrower: Client
) -> None:
    borrower.enqueue(untidy.Untidy("descriptors", borrowed.path("ran")))
    wants = untidy.Untidy("asyncio's pipe", borrowed.path("others"))  # three descriptors
    jobs = [borrower.enqueue(wants) for _ in range(3)]
    wait_until(
        lambda: [job.status() for job in jobs] == ["scheduled", "succeeded", "succeeded"],
        "one waits for its next attempt",
        on_failure=borrowed.tail,
    )
    assert len(borrowed.events("job.failed")) == 1
    assert "descriptors" in borrowed.wait_for("runner.recycled")["reason"]


def test_a_job_that_lets_no_connection_be_opened_is_handed_in_over_a_new_one(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(untidy.Untidy("cut off", borrowed.path("ran")))
    wait_until(lambda: job.status() == "succeeded", "handed in", on_failure=borrowed.tail)
    assert len(testjobs.marks(borrowed.path("ran"))) == 1
    assert borrowed.events("runner.recycled") == []


def test_a_job_that_writes_into_the_runners_log_breaks_no_line_of_it(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(untidy.Scribble())
    borrowed.wait_for("job.succeeded", job_id=job.id)
    for text in ("half a line", "scribbled"):
        assert "runner" in borrowed.wait_for("output", text=text)


def test_niceness_is_put_back_or_the_runner_is_recycled(
    borrowed: Service, borrower: Client
) -> None:
    """Who is not root can't take it back."""
    borrower.enqueue(untidy.State(borrowed.path("found")))
    borrower.enqueue(untidy.Untidy("nice", borrowed.path("ran")))
    last = borrower.enqueue(untidy.State(borrowed.path("found")))
    wait_until(lambda: last.status() == "succeeded", "all three", on_failure=borrowed.tail)
    kernel = [text.partition("[(")[2] for text in testjobs.marks(borrowed.path("found"))]
    assert kernel[0] == kernel[1] != ""


def test_an_idle_runner_hears_though_a_job_listened_to_signals(
    service: Service, client: Client
) -> None:
    service.write(ONE, imports=IMPORTS)
    service.start()
    [pid] = service.runner_pids()
    job = client.enqueue(untidy.Untidy("asyncio", service.path("ran")))
    wait_until(lambda: job.status() == "succeeded", "it ran", on_failure=service.tail)
    service.write("[queues]\nq = 0\n", imports=IMPORTS)
    service.wait_for("runner.exited", pid=pid)


def test_a_runner_that_a_job_cut_off_from_redis_makes_room_for_another(
    service: Service, client: Client
) -> None:
    service.write(ONE, imports=IMPORTS)
    service.start(constants={"runner.outage.ALONE_S": 0.1})
    job = client.enqueue(untidy.CutOff(service.path("ran")), max_attempts=1)
    after = client.enqueue(untidy.State(service.path("found")))
    told = service.wait_for("runner.recycled")
    assert told["reason"].startswith("it can't reach Redis")
    wait_until(lambda: after.status() == "succeeded", "the next job", on_failure=service.tail)
    assert job.status() == "succeeded"
    assert service.events("runner.crashed") == []


def test_memory_that_was_shared_at_the_fork_counts_once_it_is_written_to(
    service: Service, client: Client
) -> None:
    (service.folder / "model.py").write_text(
        "from horus_supervisor import Job\n"
        "MODEL = bytearray(b'm') * (48 << 20)\n"
        "class Write(Job, queue='q', name='write'):\n"
        "    much: bool\n"
        "    def execute(self):\n"
        "        if self.much:\n"
        "            MODEL[::4096] = b'w' * len(MODEL[::4096])\n"
        "        else:\n"
        "            sum(MODEL[::4096])\n"
    )
    group = '[groups.q]\nqueues = ["q"]\nrunners = 1\nmax_memory = "16MiB"\n'
    service.write(group, imports="model", path=str(service.folder))
    service.start()
    for much in (b"false", b"false", b"true"):
        client.enqueue_raw("write", b'{"much": %s}' % much, queue="q")
    recycled = service.wait_for("runner.recycled")
    assert recycled["reason"].startswith("max_memory")
    assert recycled["jobs_done"] == 3

"""How a job ends when its runner lives, and what the next one finds."""

from __future__ import annotations

import ast
import re
import time
from datetime import datetime

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs as jobs
from tests.support.service import Service
from tests.support.waiting import wait_until

ONE = "[queues]\nq = 1\n"

KEPT = """
[queues]
q = 1
pair = 2

[groups.small]
queues = ["small"]
runners = 1
max_memory = "64MiB"

[groups.five]
queues = ["five"]
runners = 1
max_jobs = 5
"""


def test_failures_are_retried_and_end_dead_with_their_history(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(jobs.Attempts(borrowed.path("ran")), max_attempts=3)
    dead = borrowed.wait_for("job.dead", job_id=job.id)
    assert (dead["reason"], dead["attempt"]) == ("exhausted", 3)
    assert jobs.marks(borrowed.path("ran")) == ["1 1", "2 2", "3 3"]
    found = borrower.connection.run(operations.find(borrower.namespace, job.id))
    assert found.state == "dead"
    assert [note.attempt for note in found.history] == [1, 2, 3]
    assert found.history[-1].facts["error_type"] == "RuntimeError"
    assert "attempt 3 is not the one" in found.history[-1].facts["traceback"]
    failed = borrowed.events("job.failed", job_id=job.id)
    assert [bool(line["retry_at"]) for line in failed] == [True, True, False]


@pytest.mark.parametrize(
    ("what", "error_type"),
    [
        ("exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("base", "BaseException"),
        ("broken", jobs.__name__ + ".Raise.execute.<locals>.Broken"),
        ("recursion", "RecursionError"),
        ("retry", "horus_supervisor.errors.Retry"),
    ],
)
def test_whatever_a_job_raises_is_a_failed_attempt(
    borrowed: Service, borrower: Client, what: str, error_type: str
) -> None:
    job = borrower.enqueue(jobs.Raise(what), max_attempts=1)
    failed = borrowed.wait_for("job.failed", job_id=job.id)
    assert failed["error_type"] == error_type
    after = borrower.enqueue(jobs.Quick())
    wait_until(lambda: after.status() == "succeeded", "the next job", on_failure=borrowed.tail)
    assert borrowed.events("runner.crashed") == []


def test_a_job_that_discards_itself_is_discarded(borrowed: Service, borrower: Client) -> None:
    job = borrower.enqueue(jobs.Raise("discard"))
    line = borrowed.wait_for("job.discarded", job_id=job.id)
    assert line["reason"] == "not needed any more"
    assert job.status() == "discarded"


def test_the_next_job_finds_everything_as_the_first_did(
    borrowed: Service, borrower: Client
) -> None:
    borrower.enqueue(jobs.Look(borrowed.path("look")))
    borrower.enqueue(jobs.Mess(borrowed.path("mess")))
    last = borrower.enqueue(jobs.Look(borrowed.path("look")))
    wait_until(lambda: last.status() == "succeeded", "all three", on_failure=borrowed.tail)
    before, after = jobs.marks(borrowed.path("look"))
    assert before == after
    borrowed.wait_for("output", text="still heard", count=2)
    assert borrowed.events("runner.crashed") == []


@pytest.mark.parametrize(("how", "said"), [("return", 0), ("raise", 1), ("exit", 0), ("refuse", 1)])
def test_a_forked_child_that_comes_back_from_execute_ends_there(
    borrowed: Service, borrower: Client, how: str, said: int
) -> None:
    job = borrower.enqueue(jobs.Fork(borrowed.path("who"), how))  # it waits for its child's end
    after = borrower.enqueue(jobs.Quick(borrowed.path("quick")))
    borrowed.wait_for("job.succeeded", job_id=after.id)
    assert job.status() == "succeeded"
    who = sorted(line.split()[0] for line in jobs.marks(borrowed.path("who")))
    assert who == ["child", "parent"]
    assert len(jobs.marks(borrowed.path("quick"))) == 1
    ends = [line["event"] for line in borrowed.lines() if line.get("job_id") == job.id]
    assert ends.count("job.succeeded") == 1
    assert "job.failed" not in ends

    def heard() -> bool:
        texts: list[str] = [line["text"] for line in borrowed.events("output", job_id=job.id)]
        return sum(text.endswith(": in the child") for text in texts) == said

    wait_until(heard, "what the child failed with", on_failure=borrowed.tail)


def test_everything_that_is_written_becomes_one_json_object_a_line(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    client.enqueue(jobs.Speak("hello from a job"))
    client.enqueue(jobs.Speak("x" * 100_000))
    last = client.enqueue(jobs.Quick())
    wait_until(lambda: last.status() == "succeeded", "all", on_failure=service.tail)
    service.wait_for("said", count=2)
    service.stop()
    raw = service.log.read_bytes()
    assert max(len(line) for line in raw.splitlines()) <= 15 * 1024
    texts = [line["text"] for line in service.events("output")]
    assert "hello from a job" in texts
    assert "raw bytes \ufffd\ufffd" in texts
    said = service.wait_for("said")
    assert (said["mood"], said["job"]) == ("calm", jobs.Speak.__horus__.name)
    always = {"timestamp", "level", "event", "message", "service", "host", "supervisor", "pid"}
    for line in service.lines():
        assert always <= line.keys()


def test_delayed_jobs_start_within_half_a_second_of_due(
    borrowed: Service, borrower: Client
) -> None:
    """Ten that are due one after the other within a second; on a busy machine, once more."""
    delays_s = [0.5 + at / 10 for at in range(10)]

    def latest_s() -> float:
        due = {}
        for delay_s in delays_s:
            began = time.time()
            job = borrower.enqueue(jobs.Quick(borrowed.path("ran")), delay=delay_s)
            due[job.id] = began + delay_s
        lines = [borrowed.wait_for("job.started", job_id=job_id) for job_id in due]
        late_s = [_seconds(line["timestamp"]) - due[line["job_id"]] for line in lines]
        assert min(late_s) > -0.001  # Redis counts in milliseconds
        return max(late_s)

    wait_until(lambda: latest_s() < 0.5, "all in time")


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def test_a_class_that_no_runner_knows_waits_for_one_that_does(
    borrowed: Service, borrower: Client
) -> None:
    handle = borrower.enqueue_raw("elsewhere.Job", b"{}", queue="q")
    line = borrowed.wait_for("job.deferred", job_id=handle.id)
    assert line["job"] == "elsewhere.Job"
    wait_until(lambda: handle.status() == "scheduled", "it waits", on_failure=borrowed.tail)
    assert borrowed.events("runner.crashed") == []


def test_a_payload_that_does_not_fit_its_class_is_dead_with_the_reason(
    borrowed: Service, borrower: Client
) -> None:
    handle = borrower.enqueue_raw(jobs.Attempts.__horus__.name, b'{"path": 5}', queue="q")
    dead = borrowed.wait_for("job.dead", job_id=handle.id)
    assert dead["reason"] == "undecodable"
    after = borrower.enqueue(jobs.Quick())
    wait_until(lambda: after.status() == "succeeded", "the next job", on_failure=borrowed.tail)


def test_a_runner_past_max_memory_is_recycled_after_the_job(
    borrowed: Service, borrower: Client
) -> None:
    for megabytes in (16, 100):
        borrower.enqueue(jobs.Grow(megabytes, borrowed.path("ran")), queue="small")
    last = borrower.enqueue(jobs.Quick(), queue="small")
    borrowed.wait_for("job.succeeded", job_id=last.id)
    line = borrowed.wait_for("runner.recycled", group="small")
    assert re.fullmatch(r"max_memory: 1\d\dMiB of its own since the fork", line["reason"])
    assert line["jobs_done"] == 2
    assert len(borrowed.events("runner.recycled", group="small")) == 1
    assert borrowed.events("runner.crashed", group="small") == []


def test_a_runner_is_recycled_after_max_jobs(borrowed: Service, borrower: Client) -> None:
    handles = borrower.enqueue_many([jobs.Quick() for _ in range(20)], queue="five")
    wait_until(
        lambda: all(h.status() == "succeeded" for h in handles), "all", on_failure=borrowed.tail
    )
    borrowed.wait_for("runner.exited", count=4, group="five")
    recycled = borrowed.events("runner.recycled", group="five")
    assert {line["jobs_done"] for line in recycled} == {5}
    told = [line for line in borrowed.lines() if line.get("runner") == "five/1"]
    last = {line["pid"]: line["event"] for line in told}
    assert list(last.values())[:4] == ["runner.exited"] * 4  # behind all that they said


def test_a_group_of_several_queues_claims_from_them_in_turn(
    service: Service, client: Client
) -> None:
    service.write('[groups.mixed]\nqueues = ["a", "b"]\nrunners = 0\n')
    service.start()
    for queue in ("a", "b"):
        twenty = [jobs.Quick(service.path("ran"), queue) for _ in range(20)]
        client.enqueue_many(twenty, queue=queue)
    service.write('[groups.mixed]\nqueues = ["a", "b"]\nrunners = 1\n')
    wait_until(lambda: len(jobs.marks(service.path("ran"))) == 40, "all", on_failure=service.tail)
    first = jobs.marks(service.path("ran"))[:20]
    assert 8 <= first.count("a") <= 12


def test_output_is_ascribed_to_the_job_that_wrote_it(borrowed: Service, borrower: Client) -> None:
    hang = borrower.enqueue(jobs.Hang(borrowed.path("ran"), done=borrowed.path("done")))
    wait_until(lambda: jobs.marks(borrowed.path("ran")) != [], "it runs", on_failure=borrowed.tail)
    jobs.mark(borrowed.path("done"))
    speak = borrower.enqueue(jobs.Speak("mine"))
    line = borrowed.wait_for("output", text="mine")
    assert line.get("job_id", speak.id) == speak.id
    assert hang.id not in [line.get("job_id") for line in borrowed.events("output")]


def test_words_of_c_name_their_job_where_all_before_them_were_heard(
    borrowed: Service, borrower: Client
) -> None:
    for text in ("first", "second", "third"):
        job = borrower.enqueue(jobs.Mutter(text))
        assert borrowed.wait_for("output", text=text)["job_id"] == job.id
        borrowed.wait_for("job.succeeded", job_id=job.id)


def test_what_a_job_starts_inherits_none_of_our_descriptors(
    borrowed: Service, borrower: Client
) -> None:
    path = borrowed.path("fds")
    borrower.enqueue(jobs.Spawn(path))
    wait_until(lambda: jobs.marks(path) != [], "the list", on_failure=borrowed.tail)
    [held] = map(ast.literal_eval, jobs.marks(path))
    ours = [name for name in held.values() if "horus-" in name or "pipe:" in name]
    assert ours == [held["1"], held["2"]], held


def test_whoever_writes_for_a_job_its_words_bear_the_jobs_id(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    job = client.enqueue(jobs.Words(service.path("done")))
    for text in ("by C to 1", "by C to 2", "by a grandchild to 1", "by one to 2", "printed"):
        assert service.wait_for("output", text=text)["job_id"] == job.id

    def said() -> str:
        return " ".join(line["text"] for line in service.events("output", job_id=job.id))

    wait_until(lambda: "UserWarning: old-fashioned" in said(), "the warning")
    jobs.mark(service.path("done"))
    wait_until(lambda: job.status() == "succeeded", "its end", on_failure=service.tail)


@pytest.mark.parametrize("reopen", [False, True], ids=["closed", "reopened"])
@pytest.mark.parametrize("fail", [False, True], ids=["returned", "failed"])
def test_a_job_that_closes_our_descriptors_ends_as_it_ended_and_hurts_no_other(
    borrowed: Service, borrower: Client, reopen: bool, fail: bool
) -> None:
    borrower.enqueue(jobs.Quick())  # whose words could the line about descriptors be?
    job = borrower.enqueue(jobs.CloseAll(borrowed.path("ran"), reopen, fail))
    after = borrower.enqueue(jobs.Quick())
    wait_until(lambda: after.status() == "succeeded", "the next job", on_failure=borrowed.tail)
    assert job.status() == ("scheduled" if fail else "succeeded")
    found = borrower.connection.run(operations.find(borrower.namespace, job.id))
    assert [note.facts["error_message"] for note in found.history] == (
        ["closed, and failed"] if fail else []
    )
    assert len(jobs.marks(borrowed.path("ran"))) == 1
    assert [p.name for p in borrowed.folder.glob("ran.*") if p.stat().st_size] == []
    assert "closed descriptors" in borrowed.wait_for("output", job_id=job.id)["text"]
    assert borrowed.events("runner.crashed") == []
    told = borrower.connection.run(operations.crashes(borrower.namespace, 10))[0]
    assert job.id not in [record["job_id"] for record in told]


def test_each_printed_line_names_its_job_however_fast_they_follow(
    borrowed: Service, borrower: Client
) -> None:
    handles = borrower.enqueue_many([jobs.Say(f"word {n}") for n in range(60)], queue="pair")

    def said() -> dict[str, str | None]:
        lines = [line for line in borrowed.events("output") if line["text"].startswith("word ")]
        return {line["text"]: line.get("job_id") for line in lines}

    words = {f"word {n}{end}": handle.id for n, handle in enumerate(handles) for end in "cab"}
    wait_until(lambda: len(said()) == 180, "their words", on_failure=borrowed.tail)
    assert said() == words


def test_what_jobs_start_says_whose_it_is_however_fast_they_follow(
    borrowed: Service, borrower: Client
) -> None:
    files = [borrowed.folder / f"captured-{n}" for n in range(20)]
    said_by = [jobs.SayByOthers(f"from_{n}", str(file)) for n, file in enumerate(files)]
    handles = borrower.enqueue_many(said_by)

    def said() -> dict[str, str | None]:
        lines = [line for line in borrowed.events("output") if line["text"].startswith("from_")]
        return {line["text"]: line.get("job_id") for line in lines}

    words = {f"from_{n}{end}": handle.id for n, handle in enumerate(handles) for end in "abcd"}
    wait_until(lambda: len(said()) == 80, "their words", on_failure=borrowed.tail)
    assert said() == words
    assert {file.read_text() for file in files} == {"captured\n"}  # and no mark


def test_a_crash_record_tells_the_words_of_its_own_job(borrowed: Service, borrower: Client) -> None:
    borrower.enqueue_many([jobs.Say("a stranger's")] * 5)
    last = borrower.enqueue(jobs.SpeakAndDie("my last"), max_attempts=1)
    died = borrowed.wait_for("runner.crashed", job_id=last.id)
    assert died["output_tail"] == ["my last"]

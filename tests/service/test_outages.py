"""The supervisor, Redis, or the whole host goes away: nothing is lost, nothing runs on."""

from __future__ import annotations

import os
import signal
import time

from horus_supervisor import Client, JobHandle
from horus_supervisor.store import operations
from horus_supervisor.supervisor.silence import LEAST_S
from tests.service.apps import testjobs as jobs
from tests.support.redis_server import RedisServer
from tests.support.service import Service, alive
from tests.support.waiting import wait_until

TWO = "[queues]\nq = 2\n"


def test_a_killed_supervisor_leaves_no_runner_and_its_successor_finishes_off_what_it_held(
    service: Service, client: Client
) -> None:
    service.write(TWO)
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    pids = service.runner_pids()

    service.kill()

    wait_until(lambda: not any(alive(pid) for pid in pids), "no runner is left", within_s=5)
    service.start()
    wait_until(lambda: job.status() == "succeeded", "second run", on_failure=service.tail)
    [record] = client.connection.run(operations.crashes(client.namespace, 10))[0]
    assert (record["cause"], record["job_id"]) == ("supervisor_lost", job.id)
    assert record["disposition"] == "requeued"


def test_the_last_rites_end_well_though_nobody_reads_what_they_say(
    service: Service, client: Client
) -> None:
    service.write(TWO)
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    me = service.begun(job.id, service.path("ran"))["supervisor"]
    strange = service.folder / "state" / "spool" / f"{me}.9.1.call"  # is told, before all else
    strange.write_bytes(b"no call")
    service.kill()
    wait_until(lambda: job.status() == "ready", "given back")
    wait_until(lambda: not strange.with_name(f"{me}.open").exists(), "closed")
    assert strange.with_suffix(".unreadable").exists()


def test_a_job_whose_end_neither_redis_nor_the_disk_takes_is_no_crash(
    outage: Service, own_redis: RedisServer
) -> None:
    wait = 'shutdown_timeout = "200ms"'
    outage.write('[queues]\nq = 1\n[defaults]\nkill_after = "300ms"\n', supervisor=wait)
    outage.start()
    with Client(own_redis.url, namespace=outage.namespace) as client:
        job = client.enqueue(jobs.Hang(outage.path("ran"), done=outage.path("done")))
        outage.begun(job.id, outage.path("ran"))
        own_redis.kill()
        jobs.mark(outage.path("done"))
        spool = outage.folder / "state" / "spool"
        spool.rename(aside := outage.folder / "aside")
        spool.write_text("in the way")
        assert outage.stop() == 0
        assert len(outage.events("spool.fault", runner="q/1")) == 1
        assert outage.events("runner.crashed") == outage.events("job.crashed") == []
        own_redis.start()
        spool.unlink()
        aside.rename(spool)
        outage.start()
        wait_until(lambda: job.status() == "succeeded", "again", on_failure=outage.tail)


def test_supervisor_and_keeper_killed_together_lose_nothing(
    service: Service, client: Client
) -> None:
    service.write(TWO)
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    keeper = service.program("horus-keeper")
    service.signal(signal.SIGSTOP)  # else a new keeper may perform its last rites
    os.kill(keeper, signal.SIGKILL)
    service.kill()
    service.start()
    wait_until(lambda: job.status() == "succeeded", "second run", on_failure=service.tail)
    [record] = client.connection.run(operations.crashes(client.namespace, 10))[0]
    assert (record["cause"], record["job"]) == ("supervisor_lost", jobs.HangOnce.__horus__.name)


def test_a_host_that_is_gone_gives_its_jobs_back_through_another_host(
    service: Service, client: Client, redis_url: str, namespace: str
) -> None:
    service.write(TWO, supervisor='lease = "2s"')
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    other = Service(service.folder / "other", redis_url, namespace)
    other.folder.mkdir()
    other.write(TWO, supervisor='lease = "2s"')
    other.start()
    try:
        service.signal(signal.SIGSTOP)  # else a new keeper may perform its last rites
        os.kill(service.program("horus-keeper"), signal.SIGKILL)
        service.kill()
        line = other.wait_for("job.crashed", job_id=job.id, within_s=21)
        assert line["cause"] == "host_lost"
        assert " was lost while " in line["message"]
        assert f" ran on {line['runner']}; the job is requeued" in line["message"]
        wait_until(lambda: job.status() == "succeeded", "second run", on_failure=other.tail)
    finally:
        other.stop()


def lose_redis_under_a_job(outage: Service, redis: RedisServer, client: Client) -> JobHandle:
    """Start a job, kill Redis, and let the job return then."""
    done = outage.path("done")
    job = client.enqueue(jobs.Hang(outage.path("ran"), done=done))
    outage.wait_for("job.started", job_id=job.id)
    redis.kill()
    outage.wait_for("redis.lost")
    jobs.mark(done)
    return job


def test_running_jobs_outlive_an_outage_of_redis_and_are_handed_in(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(TWO)
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        pids = outage.runner_pids()
        job = lose_redis_under_a_job(outage, own_redis, client)
        wait_until(lambda: jobs.marks(outage.path("ran.end")) != [], "the job's end")
        own_redis.start()
        outage.wait_for("redis.restored")
        wait_until(lambda: job.status() == "succeeded", "handed in", on_failure=outage.tail)
        after = client.enqueue(jobs.Quick())
        wait_until(lambda: after.status() == "succeeded", "claims again", on_failure=outage.tail)
    assert outage.runner_pids() == pids
    assert len(outage.events("redis.lost")) == len(outage.events("redis.restored")) == 1
    assert outage.stop() == 0


def test_a_stop_while_redis_is_away_keeps_what_it_can_not_hand_in(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(TWO)
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        job = lose_redis_under_a_job(outage, own_redis, client)
        assert outage.stop() == 0
        assert list((outage.folder / "state" / "spool").glob("*.call"))
        own_redis.start()
        assert job.status() == "running"
        outage.start()
        wait_until(lambda: job.status() == "succeeded", "handed in", on_failure=outage.tail)
    assert len(jobs.marks(outage.path("ran"))) == 1
    assert not list((outage.folder / "state" / "spool").glob("*.call"))


def test_a_keeper_whose_redis_hangs_makes_signs_of_life(
    outage: Service, own_redis: RedisServer
) -> None:
    outage.write(TWO)
    outage.start()
    with outage.scoreboard() as board:
        own_redis.pause()
        outage.wait_for("redis.lost")
        seen, gaps, since = board.keeper_ticks, [0.0], time.monotonic()

        def ticks() -> int:
            nonlocal seen, since
            if board.keeper_ticks != seen:
                gaps.append(time.monotonic() - since)
                seen, since = board.keeper_ticks, time.monotonic()
            return len(gaps)

        wait_until(lambda: ticks() > 3, "three signs of life", on_failure=outage.tail)
    assert max(gaps) < LEAST_S / 2
    own_redis.resume()
    outage.wait_for("redis.restored")
    assert outage.events("child.stuck") == []


def test_a_stop_while_redis_hangs_keeps_what_it_can_not_hand_in(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write('[queues]\nq = 1\n[defaults]\nkill_after = "3s"\n')  # half of it for the disk
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        done = outage.path("done")
        job = client.enqueue(jobs.Hang(outage.path("ran"), done=done))
        outage.wait_for("job.started", job_id=job.id)
        own_redis.pause()
        jobs.mark(done)
        wait_until(lambda: jobs.marks(outage.path("ran.end")) != [], "the job's end")
        outage.signal(signal.SIGTERM)
        outage.wait_for("supervisor.stopping")
        outage.signal(signal.SIGTERM)
        assert outage.wait() == 0
        assert list((outage.folder / "state" / "spool").glob("*.call")), outage.tail()
        own_redis.kill()
        own_redis.start()
        outage.start()
        wait_until(lambda: job.status() == "succeeded", "handed in", on_failure=outage.tail)
    assert len(jobs.marks(outage.path("ran"))) == 1
    assert not list((outage.folder / "state" / "spool").glob("*.call"))


def test_what_belongs_to_another_redis_or_namespace_is_kept_for_it(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(TWO)
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        done = outage.path("done")
        job = client.enqueue(jobs.Hang(outage.path("ran"), done=done))
        outage.wait_for("job.started", job_id=job.id)
        own_redis.kill()
        outage.wait_for("redis.lost")
        jobs.mark(done)
        assert outage.stop() == 0
        left = outage.spool()
        own_redis.start()
        elsewhere = Service(outage.folder, own_redis.url, "elsewhere")
        elsewhere.write(TWO)
        elsewhere.start()
        told = elsewhere.wait_for("spool.kept")
        assert elsewhere.stop() == 0
        assert told["home"].endswith(f"namespace {namespace}")
        assert outage.spool() == left
        assert told["files"] == ", ".join(left)
        outage.write(TWO)
        outage.start()
        wait_until(lambda: job.status() == "succeeded", "handed in", on_failure=outage.tail)
    assert len(jobs.marks(outage.path("ran"))) == 1
    outage.stop()
    assert outage.spool() == []


def test_a_redis_that_moved_with_what_it_holds_is_the_same_one(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(TWO)
    outage.start()
    keeper = outage.program("horus-keeper")
    outage.signal(signal.SIGSTOP)  # else a new keeper may perform its last rites
    os.kill(keeper, signal.SIGKILL)
    outage.kill()
    assert outage.spool() != []
    (outage.folder / "link").symlink_to(own_redis.folder)
    again = Service(outage.folder, f"unix://{outage.folder}/link/redis.sock", namespace)
    again.write(TWO)
    again.start()
    assert again.stop() == 0
    assert outage.events("spool.kept") == []
    assert outage.spool() == []


def test_a_service_that_starts_while_redis_is_away_waits_for_it(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    own_redis.kill()
    outage.write(TWO)
    outage.start(ready=False)
    outage.wait_for("redis.lost")
    assert outage.events("supervisor.ready") == []
    own_redis.start()
    outage.wait_for("supervisor.ready")


def test_a_runner_that_may_not_sleep_says_so_once_and_serves_at_intervals(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    operator = own_redis.client()
    operator.execute_command("ACL", "SETUSER", "default", "-blpop")  # type: ignore[no-untyped-call]
    outage.write("[queues]\nq = 1\n")
    outage.start()
    lost = outage.wait_for("redis.lost", runner="q/1")
    assert "refused BLPOP" in lost["error"]

    def refused() -> int:
        stats: dict[str, dict[str, int]] = operator.info("commandstats")
        return stats["cmdstat_blpop"]["rejected_calls"]

    began, before = time.monotonic(), refused()
    wait_until(lambda: refused() >= before + 5, "five more tries")
    assert time.monotonic() - began > 0.2  # at 20 ms each it took 0.1 s
    with Client(own_redis.url, namespace=namespace) as client:
        job = client.enqueue(jobs.Quick())
        wait_until(lambda: job.status() == "succeeded", "served", on_failure=outage.tail)
        operator.execute_command("ACL", "SETUSER", "default", "+blpop")  # type: ignore[no-untyped-call]
        outage.wait_for("redis.restored", runner="q/1")
        after = client.enqueue(jobs.Quick())
        wait_until(lambda: after.status() == "succeeded", "woken", on_failure=outage.tail)
    operator.close()
    assert len(outage.events("redis.lost")) == 1


def test_an_emptied_redis_is_served_anew(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(TWO, supervisor='lease = "3s"')
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        client.connection.raw.flushall()
        job = client.enqueue(jobs.Quick())
        wait_until(lambda: job.status() == "succeeded", "served again", on_failure=outage.tail)
        outage.wait_for("runner.exited", count=2)
    assert outage.events("runner.crashed") == []
    left = [line["pid"] for line in outage.events("runner.exited")]
    assert len(left) == len(set(left)), "one line for one exit"
    assert outage.events("child.exited") == [], "we ended that keeper"
    by = outage.wait_for("job.succeeded")["supervisor"]
    assert [path.stem for path in (outage.folder / "state" / "spool").glob("*.open")] == [by]


def test_an_expelled_keeper_does_not_take_its_id_again(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write(TWO, supervisor='lease = "6s"')  # for half of it no turn is missed
    outage.start()
    with outage.scoreboard() as board, Client(own_redis.url, namespace=namespace) as client:
        outage.signal(signal.SIGSTOP)  # it does not end the keeper
        client.connection.raw.flushall()
        folder = outage.folder / "state" / "spool"
        wait_until(lambda: not list(folder.glob("*.open")), "expelled", on_failure=outage.tail)
        seen = board.keeper_ticks
        wait_until(lambda: board.keeper_ticks > seen + 2, "it turned on")
        assert client.connection.run(operations.supervisors(namespace)) == []
        outage.signal(signal.SIGCONT)
        job = client.enqueue(jobs.Quick())
        wait_until(lambda: job.status() == "succeeded", "served again", on_failure=outage.tail)


def test_a_seat_given_up_while_redis_is_away_can_be_taken_again(
    outage: Service, own_redis: RedisServer, namespace: str
) -> None:
    outage.write("[queues]\nq = 1\n")
    outage.start()
    with Client(own_redis.url, namespace=namespace) as client:
        [pid] = outage.runner_pids()
        job = lose_redis_under_a_job(outage, own_redis, client)
        outage.write("[queues]\nq = 0\n")
        wait_until(lambda: not alive(pid), "the runner has left", on_failure=outage.tail)
        own_redis.start()
        outage.wait_for("redis.restored")
        outage.write("[queues]\nq = 1\n")
        after = client.enqueue(jobs.Quick())
        wait_until(lambda: after.status() == "succeeded", "served", on_failure=outage.tail)
        assert job.status() == "succeeded"
    assert len(jobs.marks(outage.path("ran"))) == 1
    assert outage.events("runner.crashed") == []
    spool = outage.folder / "state" / "spool"
    wait_until(lambda: not list(spool.glob("*.call")), "nothing to hand in is left")


def test_what_became_of_the_jobs_of_a_killed_supervisor_is_told_by_its_successor(
    service: Service, client: Client
) -> None:
    service.write(TWO)
    service.start()
    again = client.enqueue(jobs.HangOnce(service.path("again")))
    once = client.enqueue(jobs.HangOnce(service.path("once")), max_attempts=1)
    service.begun(again.id, service.path("again"))
    service.begun(once.id, service.path("once"))
    service.kill()
    service.start()
    told = service.wait_for("job.crashed", job_id=again.id, cause="supervisor_lost")
    assert told["message"] == (
        f"the supervisor died while {jobs.HangOnce.__horus__.name} ran on {told['runner']};"
        " the job is requeued"
    )
    assert told["runner"] in ("q/1", "q/2")
    service.wait_for("job.crashed", job_id=once.id, disposition="exhausted")
    service.wait_for("job.dead", job_id=once.id, reason="exhausted")
    wait_until(lambda: again.status() == "succeeded", "second run", on_failure=service.tail)
    service.stop()
    assert len(service.events("job.crashed")) == 2
    assert not list((service.folder / "state" / "spool").iterdir())

"""A stop in the middle of something else ends well, in time, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from horus_supervisor import Client, proc
from horus_supervisor.store import operations
from tests.service.apps import limitjobs
from tests.service.apps import testjobs as jobs
from tests.support.processes import Bounded
from tests.support.redis_server import RedisServer
from tests.support.service import Service
from tests.support.waiting import wait_until

ONE = "[queues]\nq = 1\n"


def test_a_stop_before_redis_was_ever_reached_leaves_nothing_behind(
    outage: Service, own_redis: RedisServer
) -> None:
    own_redis.kill()
    outage.write(ONE)
    outage.start(ready=False)
    outage.wait_for("redis.lost")
    assert outage.stop() == 0
    assert outage.spool() == []
    assert len(outage.events("redis.lost")) == 1


def test_a_stop_while_the_embedded_redis_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir(mode=0o700)
    (folder / "redis.sock" / "in-the-way").mkdir(parents=True)
    service = Service(tmp_path, f"embedded:{folder}", "n")
    service.write(ONE)
    service.start(ready=False)
    service.wait_for("child.exited", child="embedded redis", count=2)
    assert service.stop() == 0


def test_a_death_is_handed_in_though_the_keeper_was_down_when_the_stop_came(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    for _ in range(3):  # the third time it is not replaced at once
        keeper = service.program("horus-keeper")
        os.kill(keeper, signal.SIGKILL)
        service.wait_for("child.exited", pid=keeper)
    [runner] = service.runner_pids()
    os.kill(runner, signal.SIGKILL)
    service.wait_for("runner.crashed")
    assert service.stop() == 0
    [record] = client.connection.run(operations.crashes(client.namespace, 10))[0]
    assert (record["cause"], record["signal"], record["job_id"]) == ("signal", "SIGKILL", job.id)
    assert job.status() == "ready"
    assert service.spool() == []


def test_what_a_hung_keeper_owes_is_handed_in_by_another(service: Service, client: Client) -> None:
    service.write(ONE)
    patient = {"supervisor.stop.LAST_KEEPER_GOODBYE_S": 30.0}  # a busy machine needs a moment
    service.start(constants={"supervisor.stop.KEEPER_GOODBYE_S": 0.1, **patient})
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    os.kill(service.program("horus-keeper"), signal.SIGSTOP)
    [runner] = service.runner_pids()
    os.kill(runner, signal.SIGKILL)
    service.wait_for("runner.crashed")
    assert service.stop() == 0
    assert len(client.connection.run(operations.crashes(client.namespace, 10))[0]) == 1
    assert job.status() == "ready"
    assert service.spool() == []


def test_a_stop_waits_for_no_template_that_stands_still(service: Service) -> None:
    service.write(ONE + '[defaults]\nkill_after = "100ms"\n')
    service.start(constants={"supervisor.plan.SPAWN_WITHIN_S": 1000.0})
    os.kill(service.program("horus-template"), signal.SIGSTOP)
    [runner] = service.runner_pids()
    os.kill(runner, signal.SIGKILL)
    service.wait_for("runner.crashed")
    service.signal(signal.SIGTERM)
    service.wait_for("supervisor.stopping")
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


LATE = """
import ctypes, signal, sys
libc = ctypes.CDLL(None)
for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
    libc.on_exit(libc.kill, int(number))  # on_exit(3): kill(0, number), our process group
from horus_supervisor.supervisor.main import main
sys.exit(main())
"""
"""The service; when its interpreter has ended, and has no handlers any more, it gets signals."""


def test_signals_that_come_behind_the_end_change_no_exit_status(service: Service) -> None:
    service.write(ONE)
    command = [sys.executable, "-c", LATE, "-c", str(service.config)]
    with (
        service.log.open("ab") as log,
        Bounded(command, stdout=log, start_new_session=True) as ended,
    ):
        service.wait_for("supervisor.ready")
        ended.terminate()
        assert ended.wait(60) == 0


def test_a_reader_of_the_log_who_goes_away_costs_the_log_only(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)]
    with Bounded(command, stdout=writing, cwd=service.folder) as unread:
        os.close(writing)
        os.close(reading)
        try:
            spoken = [client.enqueue(jobs.Speak("x" * 200_000)) for _ in range(25)]
            wait_until(lambda: spoken[-1].status() == "succeeded", "it works on")
        finally:
            unread.terminate()
        assert unread.wait(60) == 0


def test_lines_that_wait_at_the_end_reach_a_reader_who_is_late(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)]
    with Bounded(command, stdout=writing, cwd=service.folder) as late:
        os.close(writing)
        spoken = [client.enqueue(jobs.Speak("x" * 200_000)) for _ in range(8)]
        wait_until(lambda: spoken[-1].status() == "succeeded", "more than a pipe holds")
        late.terminate()
        wait_until(lambda: late.poll() is not None or childless(late.pid), "it has nobody left")
        with open(reading, "rb") as log:
            *_, last = log.read().splitlines()
    assert json.loads(last)["event"] == "supervisor.stopped"
    assert late.returncode == 0


def test_a_reader_that_stands_still_stops_no_timeout_and_gets_every_line_and_death_in_the_end(
    service: Service, client: Client
) -> None:
    group = '[groups.q]\nqueues = ["q"]\nrunners = 8\nkill_after = "200ms"\n'
    service.write(group, imports=limitjobs.__name__)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    log = bytearray()

    def told(event: str) -> int:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(reading, 1 << 16):
                log.extend(chunk)
        return log.count(f'"event":"{event}"'.encode())

    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)]
    with Bounded(command, stdout=writing, cwd=service.folder) as unread:
        os.close(writing)
        try:
            quiet = jobs.Hang(service.path("ran"), done=service.path("done"))
            client.enqueue_many([quiet, *[limitjobs.Pour()] * 7])
            wait_until(lambda: len(runners_of(unread.pid)) == 8, "all are there")
            wait_until(lambda: len(runners_of(unread.pid)) == 1, "seven are dead, and reaped")
            os.kill(runners_of(unread.pid)[0], signal.SIGKILL)
            wait_until(lambda: runners_of(unread.pid) == [], "and the last")
            jobs.mark(service.path("done"))
            wait_until(lambda: told("runner.started") == 16, "each has a successor")
        finally:
            unread.terminate()
            wait_until(lambda: told("supervisor.stopped") or unread.poll() is not None, "its end")
    os.close(reading)
    lines = [json.loads(line) for line in log.splitlines()]
    causes = [line["cause"] for line in lines if line["event"] == "runner.crashed"]
    assert sorted(causes) == ["signal"] + ["timeout"] * 7
    assert sum(line["event"] == "output" for line in lines) > 100
    assert any(line["event"] == "log.dropped" and line["count"] for line in lines)
    assert unread.returncode == 0


def runners_of(pid: int) -> list[int]:
    """The runners of a supervisor, those too that were not reaped yet."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in map(int, pids) if proc.name(child).startswith("horus q/")]


def childless(pid: int) -> bool:
    return not Path(f"/proc/{pid}/task/{pid}/children").read_text()


def test_a_spool_that_can_not_be_written_is_told_and_jobs_run(
    service: Service, client: Client
) -> None:
    (service.folder / "state").mkdir()
    (service.folder / "state" / "spool").write_text("in the way")
    service.write(ONE)
    service.start()
    told = service.wait_for("spool.fault")
    assert "can't be written: " in told["message"]
    job = client.enqueue(jobs.Quick())
    wait_until(lambda: job.status() == "succeeded", "it runs", on_failure=service.tail)
    assert service.stop() == 0
    assert client.connection.run(operations.supervisors(client.namespace)) == []


def test_what_was_half_written_when_its_writer_was_killed_is_removed(service: Service) -> None:
    folder = service.folder / "state" / "spool"
    folder.mkdir(parents=True)
    for name in ("f00d.open.new", "beef.open", "beef.3.1.call.new"):
        (folder / name).touch()
    service.write(ONE)
    service.start()
    own = service.events("supervisor.started")[0]["supervisor"]
    wait_until(lambda: service.spool() == [f"{own}.open"], "only ours", on_failure=service.tail)


def test_a_job_that_is_claimed_while_the_stop_comes_is_not_begun(
    service: Service, client: Client, redis_server: RedisServer
) -> None:
    service.write(ONE)
    service.start()
    name = f"horus:{service.events('supervisor.started')[0]['supervisor']}:0.1"
    connections = redis_server.client().client_list
    wait_until(
        lambda: [c["cmd"] for c in connections() if c["name"] == name] == ["blpop"], "it sleeps"
    )
    [runner] = service.runner_pids()
    os.kill(runner, signal.SIGSTOP)
    job = client.enqueue(jobs.Quick(), queue="q")
    wait_until(lambda: job.status() == "running", "Redis makes the claim of the sleeper")
    service.signal(signal.SIGTERM)
    service.wait_for("supervisor.stopping")
    os.kill(runner, signal.SIGCONT)
    assert service.wait() == 0
    assert job.status() == "ready"
    assert service.events("job.succeeded") == []

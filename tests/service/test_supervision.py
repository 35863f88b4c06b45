"""Starting, stopping, scaling."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs as jobs
from tests.support.files import write_whole
from tests.support.redis_server import RedisServer
from tests.support.service import Service, alive
from tests.support.waiting import wait_until


def test_saving_the_file_changes_the_number_of_runners_and_touches_no_other(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 1\nother = 1\n")
    service.start()
    before = set(service.runner_pids())
    service.write("[queues]\nq = 3\nother = 1\n")
    service.wait_for("runner.started", count=4, within_s=10)
    assert before <= set(service.runner_pids())
    service.write("[queues]\nq = 0\nother = 1\n")
    service.wait_for("runner.exited", count=3, within_s=10)
    [left] = service.runner_pids()
    assert left in before
    assert service.events("runner.crashed") == []


def test_a_file_with_mistakes_changes_nothing(service: Service) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    assert service.wait_for("supervisor.ready")["message"] == "serving 1 runner"
    pids = service.runner_pids()
    write_whole(service.config, "this is = not [ TOML")
    service.wait_for("supervisor.config_rejected")
    service.write("[queues]\nq = -1\n")
    line = service.wait_for("supervisor.config_rejected", count=2)
    assert "queues.q" in line["mistakes"][0]
    assert service.runner_pids() == pids


def test_a_sighup_is_answered_though_nothing_was_edited(service: Service) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    service.signal(signal.SIGHUP)
    line = service.wait_for("supervisor.reloaded")
    assert line["changes"] == "nothing was edited"
    write_whole(service.config, "this is = not [ TOML")
    service.wait_for("supervisor.config_rejected")
    service.signal(signal.SIGHUP)
    service.wait_for("supervisor.config_rejected", count=2)
    assert len(service.events("reload.begun")) == 1
    wait_until(lambda: len(service.runner_pids()) == 1, "one runner")


def test_a_service_tells_which_jobs_it_imports(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()

    def told() -> list[str]:
        [row] = client.connection.run(operations.supervisors(service.namespace))
        assert row.facts["jobs"] != []  # null, while they are imported
        return row.facts["jobs"] or []

    wait_until(lambda: jobs.Quick.__horus__.name in told(), "its job names")


def test_a_stop_lets_running_jobs_finish(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    running = client.enqueue(jobs.Hang(service.path("ran"), done=service.path("done")))
    waiting = client.enqueue(jobs.Quick(service.path("quick")))
    service.wait_for("job.started", job_id=running.id)
    service.signal(signal.SIGTERM)
    service.wait_for("supervisor.stopping")
    listed = functools.partial(client.connection.run, operations.supervisors(service.namespace))
    wait_until(lambda: listed()[0].facts.get("stopping"), "status is told that it stops")
    jobs.mark(service.path("done"))
    assert service.wait() == 0
    assert running.status() == "succeeded"
    assert waiting.status() == "ready"
    assert jobs.marks(service.path("quick")) == []


def test_a_second_signal_interrupts_running_jobs_uncounted(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.begun(job.id, service.path("ran"))
    service.signal(signal.SIGTERM)
    service.wait_for("supervisor.stopping")
    service.signal(signal.SIGINT)
    assert service.wait() == 0
    service.wait_for("job.interrupted", job_id=job.id)
    found = client.connection.run(operations.find(client.namespace, job.id))
    assert (found.state, found.history[0].facts["runner"]) == ("ready", "q/1")
    assert service.events("runner.crashed") == []
    service.start()
    line = service.wait_for("job.succeeded", job_id=job.id)
    assert line["attempt"] == 1


def test_a_job_that_does_not_hear_the_interruption_is_killed_uncounted(
    service: Service, client: Client
) -> None:
    service.write(
        '[groups.q]\nqueues = ["q"]\nrunners = 1\nkill_after = "300ms"\njob_timeout = "1h"\n',
        supervisor='shutdown_timeout = "200ms"',
    )
    service.start()
    job = client.enqueue(jobs.Late("blocked", service.path("ran")), timeout=3600)
    service.begun(job.id, service.path("ran"))
    assert service.stop() == 0
    service.wait_for("job.interrupted", job_id=job.id)
    assert len(service.events("runner.exited")) == 1
    assert job.status() == "ready"
    assert service.events("job.crashed") == []


def test_a_dead_template_or_keeper_harms_nobody(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    [runner] = service.runner_pids()
    for name in ("horus-template", "horus-keeper"):
        pid = service.program(name)
        os.kill(pid, signal.SIGKILL)
        service.wait_for("child.exited", pid=pid)
        job = client.enqueue(jobs.Quick())
        service.wait_for("job.succeeded", job_id=job.id)
    assert alive(runner)
    service.write("[queues]\nq = 2\n")
    service.wait_for("runner.started", count=2)


def test_a_keeper_that_hangs_is_killed_and_replaced_before_the_lease_runs_out(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 1\n", supervisor='lease = "20s"')
    service.start()
    keeper = service.program("horus-keeper")
    os.kill(keeper, signal.SIGSTOP)
    stuck = service.wait_for("child.stuck", child="keeper")
    assert stuck["silent_s"] < 18
    assert service.wait_for("child.exited")["pid"] == keeper
    job = client.enqueue(jobs.Quick(), delay=0.01)  # only a keeper brings it to its queue
    service.wait_for("job.succeeded", job_id=job.id)
    [row] = client.connection.run(operations.supervisors(client.namespace))
    assert row.supervisor == stuck["supervisor"]


def test_a_second_service_on_one_folder_is_refused_with_the_holders_pid(
    service: Service,
) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    second = subprocess.run(
        [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert second.returncode == 1
    assert str(service.pid) in second.stderr


def _run(*words: str, fds: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "horus_supervisor.supervisor.main", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        pass_fds=fds,
    )


def _run_on_a_pipe(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    reading, writing = os.pipe()
    os.write(writing, service.config.read_bytes())
    os.close(writing)
    try:
        return _run(*words, "-c", f"/dev/fd/{reading}", fds=(reading,))
    finally:
        os.close(reading)


def test_check_reads_a_pipe_once_and_a_service_refuses_it(service: Service) -> None:
    service.write("[queues]\nq = 1\n")
    assert _run_on_a_pipe(service, "--check").returncode == 0
    service.write("[queues]\nq = -1\n")
    checked = _run_on_a_pipe(service, "--check")
    assert checked.returncode == 2
    assert "queues.q" in checked.stderr
    served = _run_on_a_pipe(service)
    assert (served.returncode, served.stdout) == (2, "")
    assert "can be read again" in served.stderr


def test_secrets_of_the_redis_url_never_appear(service: Service) -> None:
    service.write("[queues]\nq = 1\n")
    text = service.config.read_text()
    start = text.index('url = "') + 7
    url = text[start : text.index('"', start)]
    service.config.write_text(text.replace(url, "redis://user:s3cr3t@127.0.0.1:1/0"))
    service.start(ready=False)
    service.wait_for("redis.lost")
    service.stop()
    assert "s3cr3t" not in service.tail()


def test_a_service_reads_its_url_from_a_file_of_its_own(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    text = service.config.read_text()
    [line] = [line for line in text.splitlines() if line.startswith("url = ")]
    (service.folder / "secret").write_text(line.split('"')[1] + "\n")
    service.config.write_text(text.replace(line, 'url_file = "secret"'))
    service.start()
    service.wait_for("job.succeeded", job_id=client.enqueue(jobs.Quick()).id)


def test_a_slot_that_is_used_again_goes_on_counting_its_lives(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 2\n")
    service.start()
    second = service.wait_for("runner.started", runner="q/2")
    os.kill(second["pid"], signal.SIGKILL)
    service.wait_for("runner.started", runner="q/2", count=2)
    service.write("[queues]\nq = 1\n")
    service.wait_for("runner.exited", runner="q/2")
    service.write("[queues]\nq = 2\n")
    third = service.wait_for("runner.started", runner="q/2", count=3)
    os.kill(third["pid"], signal.SIGKILL)
    service.wait_for("runner.started", runner="q/2", count=4)
    wait_until(
        lambda: len(service.events("job.crashed")) == 2, "both told", on_failure=service.tail
    )
    assert len({line["crash_id"] for line in service.events("job.crashed")}) == 2
    assert service.events("runner.recycled") == []


def test_a_fork_that_fails_is_told_and_tried_again(service: Service) -> None:
    fails = service.path("fails")
    jobs.mark(fails)
    service.write("[queues]\nq = 2\n")
    service.start(ready=False, env={"HORUS_TEST_FORK_FAILS": fails})
    told = service.wait_for("supervisor.starved", count=3)
    assert "a runner could not be forked: " in told["message"]
    os.unlink(fails)
    service.wait_for("supervisor.ready")


def test_a_keeper_that_stood_still_in_a_storm_of_crashes_is_heard_again(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 8\n", supervisor='lease = "1h"')  # else it is replaced
    service.start()
    keeper = service.program("horus-keeper")
    os.kill(keeper, signal.SIGSTOP)
    words = "\n".join(["w" * 2200] * 20)  # 45 kB a record; a socket holds 208 kB
    for _ in range(8):
        client.enqueue(jobs.Die("kill", service.path("ran"), words=words), max_attempts=1)
    service.wait_for("runner.crashed", count=8)
    os.kill(keeper, signal.SIGCONT)
    service.wait_for("job.crashed", count=8)
    job = client.enqueue(jobs.Quick())
    service.wait_for("job.succeeded", job_id=job.id)


def test_an_idle_runner_whose_connection_is_closed_now_and_then_tells_of_no_outage(
    outage: Service, own_redis: RedisServer
) -> None:
    outage.write("[queues]\nq = 1\n")
    outage.start(constants={"runner.outage.TOLD_AFTER_S": 0.1, "runner.main.SLEPT_S": 0.05})
    seen: dict[str, float] = {}
    with own_redis.client() as operator:

        def asleep() -> list[str]:
            now = time.monotonic()
            found = [c["id"] for c in operator.client_list() if c["cmd"] == "blpop"]
            return [c for c in found if now - seen.setdefault(c, now) > 0.15]

        for _ in range(3):  # after the last one the second was told, if it was
            wait_until(asleep, "it has slept for long enough")
            operator.client_kill_filter(_id=asleep()[0])
    assert outage.events("redis.lost", runner="q/1") == []

"""A stop, and a start, in the middle of something else: each ends well, and in time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor import Client, linux, proc
from horus_supervisor.store import operations
from tests.service.apps import limitjobs
from tests.service.apps import testjobs as jobs
from tests.service.conftest import Horus
from tests.support.redis_server import RedisServer
from tests.support.service import Service
from tests.support.waiting import wait_until

ONE = "[queues]\nq = 1\n"


def write_with_module(service: Service, code: str) -> None:
    """Write a file that imports one more module, with this code."""
    (service.folder / "extra.py").write_text(code)
    service.write(ONE)
    text = service.config.read_text().replace("imports = [", 'imports = ["extra", ')
    service.config.write_text(text.replace('path = ["', f'path = ["{service.folder}", "'))


def spool(service: Service) -> list[str]:
    return sorted(path.name for path in (service.folder / "state" / "spool").glob("*"))


def test_an_import_that_goes_on_and_on_is_told_and_a_stop_does_not_wait_for_it(
    service: Service, horus: Horus
) -> None:
    imports = service.path("imports")
    write_with_module(service, f"import time\nopen({imports!r}, 'w').close()\ntime.sleep(60)\n")
    service.start(ready=False)
    wait_until(lambda: os.path.exists(imports), "the import has begun", on_failure=service.tail)
    told = service.wait_for("template.slow")
    assert told["message"].startswith("importing extra, tests.service.apps.testjobs takes over")
    assert horus("status", "--check", check=False) == 3
    assert service.stop(within_s=5) == 0
    assert service.events("supervisor.stopped")
    assert spool(service) == []


@pytest.mark.parametrize("moment", ["supervisor.started", "template.ready", "runner.started"])
def test_a_stop_in_the_middle_of_a_start_ends_well(service: Service, moment: str) -> None:
    service.write("[queues]\nq = 8\n")
    service.start(ready=False)
    service.wait_for(moment)
    assert service.stop(within_s=5) == 0
    assert service.events("runner.crashed") == []
    assert spool(service) == []


SIGNALLED = """
import os, signal
forks = 0

def signal_the_first():
    global forks
    forks += 1
    if forks == 1:  # the middle process: it must get as far as telling the runner's pid
        os.kill(os.getpid(), signal.SIGTERM)

os.register_at_fork(after_in_child=signal_the_first)
"""


def test_a_signal_right_after_the_templates_fork_loses_no_runner(service: Service) -> None:
    write_with_module(service, SIGNALLED)
    service.start()
    assert service.events("supervisor.starved") == service.events("child.exited") == []


def test_edits_that_chase_each_other_end_with_what_the_last_one_says(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    for count, runners in enumerate((6, 0, 5, 2), start=1):
        service.write(f"[queues]\nq = {runners}\n")
        service.wait_for("supervisor.reloaded", count=count)
    wait_until(lambda: len(service.runner_pids()) == 2, "two", on_failure=service.tail)
    for _ in range(4):
        service.wait_for("job.succeeded", job_id=client.enqueue(jobs.Quick()).id)
    assert service.events("runner.crashed") == []
    assert client.connection.run(operations.crashes(client.namespace, 10)) == []


def test_an_import_that_fails_is_told_with_its_reason_and_once_with_its_stack(
    service: Service,
) -> None:
    write_with_module(service, "\nimport no_such_module\n")
    service.start(ready=False, constants={"supervisor.credit.FIRST_DELAY_S": 0.1})
    service.wait_for("template.failed", count=4)
    failed = service.events("template.failed")
    reason = "ModuleNotFoundError: No module named 'no_such_module' (extra.py:2)"
    assert {line["error"] for line in failed} == {reason}
    assert ["traceback" in line for line in failed] == [True, *[False] * (len(failed) - 1)]
    assert [line["failures"] for line in failed] == [*range(1, len(failed) + 1)]
    assert [line["delay_s"] for line in failed[:4]] == [0, 0, 0.1, 0.2]
    write_with_module(service, "import another\n")  # another reason has another stack
    reason = "ModuleNotFoundError: No module named 'another' (extra.py:1)"
    assert "line 1, in <module>" in service.wait_for("template.failed", error=reason)["traceback"]
    write_with_module(service, "from horus_supervisor import Job\nclass Lame(Job): ...\n")
    wait_until(
        lambda: "extra.Lame has no execute(self)" in service.events("template.failed")[-1]["error"],
        "a class that lacks its execute is told",
        on_failure=service.tail,
    )
    write_with_module(service, "")
    ready = service.wait_for("template.ready")
    assert ready["failures"] == len(service.events("template.failed"))
    assert ready["message"].endswith(f"after {ready['failures']} failures")
    assert service.events("child.exited") == []


def test_a_stop_goes_on_though_no_import_succeeds(service: Service) -> None:
    write_with_module(service, "raise SystemExit('no licence here')\n")
    service.start(ready=False)
    assert (
        service.wait_for("template.failed")["error"] == "SystemExit: no licence here (extra.py:1)"
    )
    assert service.stop(within_s=5) == 0


def test_a_stop_before_redis_was_ever_reached_leaves_nothing_behind(
    outage: Service, own_redis: RedisServer
) -> None:
    own_redis.kill()
    outage.write(ONE)
    outage.start(ready=False)
    outage.wait_for("redis.lost")
    assert outage.stop(within_s=5) == 0
    assert spool(outage) == []
    assert len(outage.events("redis.lost")) == 1


def test_a_stop_while_the_embedded_redis_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir(mode=0o700)
    (folder / "redis.sock" / "in-the-way").mkdir(parents=True)
    service = Service(tmp_path, f"embedded:{folder}", "n")
    service.write(ONE)
    service.start(ready=False)
    service.wait_for("child.exited", child="embedded redis", count=2)
    assert service.stop(within_s=8) == 0


def test_a_folder_that_is_no_place_for_an_embedded_redis_ends_the_service_in_words(
    tmp_path: Path,
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir(mode=0o755)
    (taken / "of-another").touch()
    service = Service(tmp_path, f"embedded:{taken}", "n")
    service.write(ONE)
    service.start(ready=False)
    assert service.wait() == 1
    assert f"the folder {taken} is open to other users" in service.tail()


SIGNALLED = """
import os, signal, sys

class Finder:
    pid, seen = os.getpid(), 0

    def find_spec(self, *_):
        if os.getpid() == self.pid and "horus_supervisor.supervisor.main" in sys.modules:
            Finder.seen += 1
            if self.seen in {at}:
                for number in {numbers}:
                    os.kill(self.pid, number)

sys.meta_path.insert(0, Finder())
sys.argv = sys.argv[3:]  # python -m horus_supervisor.supervisor.main
from horus_supervisor.supervisor.main import main
sys.exit(main())
"""
"""The service, but that at its imports, counted from the first one on, it gets these signals."""


def test_signals_at_every_moment_of_a_start_that_ask_for_nothing_are_outlived(
    service: Service,
) -> None:
    service.write(ONE)
    numbers = [int(signal.SIGHUP), int(signal.SIGUSR1)]
    code = SIGNALLED.format(at="range(1000)", numbers=numbers)
    service.start(within=(sys.executable, "-c", code))
    assert service.stop() == 0


@pytest.mark.parametrize("at", [1, 2, 10, 40])
def test_a_stop_at_any_moment_of_a_start_is_one(service: Service, at: int) -> None:
    service.write(ONE)
    code = SIGNALLED.format(at=[at], numbers=[int(signal.SIGTERM)])
    service.start(within=(sys.executable, "-c", code), ready=False)
    assert service.wait() == 0


def test_a_death_is_handed_in_though_the_keeper_was_down_when_the_stop_came(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    service.wait_for("job.started", job_id=job.id)
    for _ in range(3):  # the third time it is not replaced at once
        keeper = service.program("horus-keeper")
        os.kill(keeper, signal.SIGKILL)
        service.wait_for("child.exited", pid=keeper)
    [runner] = service.runner_pids()
    os.kill(runner, signal.SIGKILL)
    service.wait_for("runner.crashed")
    assert service.stop() == 0
    [record] = client.connection.run(operations.crashes(client.namespace, 10))
    assert (record["cause"], record["signal"], record["job_id"]) == ("signal", "SIGKILL", job.id)
    assert job.status() == "ready"
    assert spool(service) == []


def test_runners_that_a_dead_template_was_asked_for_come_from_its_successor(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    template = service.program("horus-template")
    os.kill(template, signal.SIGSTOP)
    service.write("[queues]\nq = 4\n")
    service.wait_for("supervisor.reloaded")
    wait_until(lambda: asked_for(service) == 3, "three are asked for", on_failure=service.tail)
    os.kill(template, signal.SIGKILL)
    service.wait_for("runner.started", count=4)
    for _ in range(8):
        job = client.enqueue(jobs.Quick())
        service.wait_for("job.succeeded", job_id=job.id)
    assert service.events("runner.crashed") == []
    assert client.connection.run(operations.crashes(client.namespace, 10)) == []


def asked_for(service: Service) -> int:
    """Count the memory files for stacks that the supervisor holds: one for each life."""
    fds = Path(f"/proc/{service.pid}/fd").iterdir()
    return sum("horus-stacks" in os.readlink(fd) for fd in fds) - len(service.runner_pids())


def test_a_service_without_standard_descriptors_works_and_writes_into_no_file(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)]
    closed = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], cwd=service.folder
    )
    try:
        job = client.enqueue(jobs.Speak())
        wait_until(lambda: job.status() == "succeeded", "it works")
        assert (service.folder / "state" / "lock").read_bytes() == b""
    finally:
        closed.terminate()
        assert closed.wait(10) == 0


def test_a_reader_of_the_log_who_goes_away_costs_the_log_only(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)]
    with subprocess.Popen(command, stdout=writing, cwd=service.folder) as unread:
        os.close(writing)
        os.close(reading)
        try:
            spoken = [client.enqueue(jobs.Speak("x" * 200_000)) for _ in range(25)]
            wait_until(lambda: spoken[-1].status() == "succeeded", "it works on")
        finally:
            unread.terminate()
        assert unread.wait(10) == 0


def test_lines_that_wait_at_the_end_reach_a_reader_who_is_late(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "horus_supervisor.supervisor.main", "-c", str(service.config)]
    with subprocess.Popen(command, stdout=writing, cwd=service.folder) as late:
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
    with subprocess.Popen(command, stdout=writing, cwd=service.folder) as unread:
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
    assert unread.returncode == 0


def runners_of(pid: int) -> list[int]:
    """The runners of a supervisor, those too that were not reaped yet."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in map(int, pids) if proc.name(child).startswith("horus q/")]


def childless(pid: int) -> bool:
    return not Path(f"/proc/{pid}/task/{pid}/children").read_text()


def test_an_edit_between_reading_the_file_and_the_first_turn_is_not_missed(
    service: Service,
) -> None:
    service.write(ONE)
    lock = service.folder / "state" / "lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        service.start(ready=False)
        # it has read the file, and waits for the lock
        wait_until(lambda: service.pid in linux.holders(lock), "it waits", on_failure=service.tail)
        service.write("[queues]\nq = 2\n")
    service.wait_for("runner.started", count=2)


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
    wait_until(lambda: spool(service) == [f"{own}.open"], "only ours", on_failure=service.tail)


def test_signals_that_ask_for_something_do_not_end_a_service_that_waits_for_its_lock(
    service: Service,
) -> None:
    service.write(ONE)
    (service.folder / "state").mkdir()
    with (service.folder / "state" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        service.start(ready=False)
        path = service.folder / "state" / "lock"
        wait_until(lambda: service.pid in linux.holders(path), "it waits for the lock")
        service.signal(signal.SIGHUP)
        service.signal(signal.SIGUSR1)
    service.wait_for("supervisor.ready")


def test_a_state_folder_that_can_not_be_made_ends_the_start_in_words(service: Service) -> None:
    (service.folder / "state").write_text("in the way")
    service.write(ONE)
    service.start(ready=False)
    assert service.wait() == 1
    assert "state" in service.tail()
    assert "Traceback" not in service.tail()


def test_a_second_service_on_one_embedded_folder_is_refused_and_runs_nothing(
    tmp_path: Path, namespace: str
) -> None:
    url = f"embedded:{tmp_path / 'redis'}"
    first, second = (Service(tmp_path / name, url, namespace) for name in ("first", "second"))
    for service in (first, second):
        service.folder.mkdir()
        service.write("[queues]\nq = 1\n")
    first.start()
    try:
        second.start(ready=False)
        assert second.wait(within_s=10) == 1
        assert second.lines() == []
        assert f"in use by process {first.pid}" in second.tail()
    finally:
        first.stop()
    second.start()
    assert second.stop() == 0

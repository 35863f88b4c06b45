"""Faults that supervisors have had, brought about with real processes (``docs/failures.md``)."""

from __future__ import annotations

import functools
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import Client
from horus_supervisor.cli.checks_of_machine import FILES_OF_A_RUNNER, FILES_OF_OURS
from horus_supervisor.store import operations
from horus_supervisor.supervisor.children import FIRST_FD
from tests.service.apps import limitjobs, testjobs
from tests.service.apps.testjobs import marks
from tests.support import cgroups, processes
from tests.support.files import write_whole
from tests.support.service import Service, alive, children
from tests.support.waiting import wait_until

ONE = """
[groups.q]
queues = ["q"]
runners = 1
crash_delay = "100ms"
kill_after = "300ms"
"""


SOON = {
    "supervisor.plan.SILENT_S": 3.0,
    "supervisor.pulse.POKE_AFTER_S": 0.5,
    "supervisor.pulse.POKE_EVERY_S": 0.5,
}


def start(service: Service, groups: str = ONE, **how: Any) -> None:
    service.write(groups, imports=limitjobs.__name__)
    service.start(**how)


# --- births ------------------------------------------------------------------------------------


def test_a_middle_process_that_hangs_is_ended_and_the_fork_is_tried_again(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    hangs = Path(service.path("hangs"))
    hangs.touch()
    env = {"HORUS_TEST_START_HANGS": str(hangs), "HORUS_TEST_HANGS_AT": "1"}
    service.start(ready=False, env=env)
    starved = service.wait_for("supervisor.starved")
    assert "did not within 5.0 s" in starved["error"]
    hangs.unlink()
    job = client.enqueue(testjobs.Quick())
    wait_until(lambda: job.status() == "succeeded", "one that starts", on_failure=service.tail)


def test_a_template_that_does_not_answer_is_replaced_and_keeps_no_seat_empty(
    service: Service,
) -> None:
    start(service, constants={"supervisor.plan.SPAWN_WITHIN_S": 1.0})
    template = service.program("horus-template")
    os.kill(template, signal.SIGSTOP)
    [pid] = service.runner_pids()
    os.kill(pid, signal.SIGKILL)
    service.wait_for("child.exited", pid=template)
    service.wait_for("runner.started", count=2)
    [stuck] = service.events("child.stuck")
    assert (stuck["child"], stuck["pid"]) == ("template", template)


def test_the_processes_that_fork_have_one_thread(service: Service) -> None:
    start(service)
    programs = map(service.program, ("horus-template", "horus-keeper"))
    for pid in (service.pid, *programs, *service.runner_pids()):
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_a_runner_holds_no_other_runners_pipe(service: Service) -> None:
    start(service, ONE.replace("runners = 1", "runners = 3"))
    # one process may fork them all: a runner bears its name once it has closed what is not its own
    wait_until(lambda: len(processes.runners(service.pid)) == 3, "all have their names")
    held = []
    for pid in service.runner_pids():
        links = processes.held(pid).values()
        held.append({link for link in links if link.startswith("pipe:")})
    assert all(held)
    assert sum(map(len, held)) == len(set().union(*held))


def test_runners_draw_different_numbers(service: Service, client: Client) -> None:
    start(service, ONE.replace("runners = 1", "runners = 4"))
    client.enqueue_many([limitjobs.Draw(service.path("drawn"), 4)] * 4)
    wait_until(lambda: len(marks(service.path("drawn"))) == 4, "all", on_failure=service.tail)
    drawn = [line.split() for line in marks(service.path("drawn"))]
    assert all(len(set(column)) == 4 for column in zip(*drawn, strict=True))


@pytest.mark.parametrize("moment", ["supervisor.started", "template.ready", "runner.started"])
def test_a_supervisor_killed_at_any_moment_leaves_nobody(service: Service, moment: str) -> None:
    name, value = "HORUS_TEST_TAG", uuid.uuid4().hex
    service.write(ONE.replace("runners = 1", "runners = 8"), imports=limitjobs.__name__)
    service.start(ready=False, env={name: value})
    service.wait_for(moment)
    for keeper in children(service.pid, "horus-keeper"):  # it would end those that it was told of
        os.kill(keeper, signal.SIGKILL)
    service.kill()
    left = functools.partial(processes.tagged, f"{name}={value}")
    wait_until(lambda: not list(left()), "nobody is left", on_failure=service.tail)


# --- life --------------------------------------------------------------------------------------


def test_a_job_that_holds_pythons_lock_for_long_is_left_alone(
    service: Service, client: Client
) -> None:
    start(service, constants={**SOON, "supervisor.plan.SILENT_AT_WORK_S": 3.0})
    job = client.enqueue(limitjobs.HoldGil(4))
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=service.tail)
    assert service.events("runner.crashed") == service.events("runner.stuck") == []


def test_a_supervisor_that_stood_still_kills_nobody_for_it(
    service: Service, client: Client
) -> None:
    three = ONE.replace("runners = 1", "runners = 3").replace("300ms", "2s")
    start(service, three, constants={**SOON, "supervisor.plan.SILENT_S": 5.0})
    job = client.enqueue(testjobs.Hang(service.path("ran"), seconds=7))
    service.wait_for("job.started", job_id=job.id)
    service.signal(signal.SIGSTOP)  # from now on nobody pokes the third, which stays idle
    late = client.enqueue(testjobs.Late("yield", service.path("late")), max_attempts=1)
    wait_until(lambda: marks(service.path("ran.end")) != [], "longer than silence is borne")
    service.signal(signal.SIGCONT)
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=service.tail)
    service.wait_for("job.timed_out", job_id=late.id)  # far past its kill_after
    service.signal(signal.SIGUSR1)
    service.wait_for("snapshot", count=3)
    assert service.events("runner.crashed") == service.events("runner.stuck") == []


JUMPY = """
import time
wall, wall_ns = time.time, time.time_ns

def jumped():
    with open({path!r}) as file:
        return int(file.read())

time.time = lambda: wall() + jumped()
time.time_ns = lambda: wall_ns() + jumped() * 10**9
"""
"""What Python runs at its start: wall time is as many seconds off as a file says."""


def test_wall_time_that_jumps_by_an_hour_changes_no_timeout_and_no_delay(
    service: Service, client: Client
) -> None:
    jump = Path(service.path("jump"))
    write_whole(jump, "0")
    (service.folder / "sitecustomize.py").write_text(JUMPY.format(path=str(jump)))
    other = ONE.replace(".q]", ".other]").replace('"q"', '"other"')
    start(service, ONE + other, env={"PYTHONPATH": str(service.folder)})
    long = client.enqueue(testjobs.Hang(service.path("ran"), done=service.path("done")))
    service.wait_for("job.started", job_id=long.id)
    lives = 0
    while not service.events("crash_loop"):
        lives += 1
        pid = service.wait_for("runner.started", runner="other/1", count=lives)["pid"]
        os.kill(pid, signal.SIGKILL)
        service.wait_for("runner.crashed", pid=pid)
    write_whole(jump, "-3600")  # while it waits for its next start
    service.wait_for("runner.started", runner="other/1", count=lives + 1)
    for seconds in ("-3600", "3600"):
        write_whole(jump, seconds)
        due = client.enqueue(testjobs.Quick(), queue="other", delay=0.1)
        late = client.enqueue(
            testjobs.Late("stubborn", service.path("late")), queue="other", max_attempts=1
        )
        told = service.wait_for("runner.crashed", job_id=late.id, cause="timeout")
        off_s = datetime.fromisoformat(told["timestamp"]).timestamp() - time.time()
        assert abs(off_s - int(seconds)) < 60
        wait_until(lambda: due.status() == "succeeded", "it was due", on_failure=service.tail)  # noqa: B023
    assert long.status() == "running"
    testjobs.mark(service.path("done"))
    wait_until(lambda: long.status() == "succeeded", "the end", on_failure=service.tail)


# --- deaths ------------------------------------------------------------------------------------


def test_no_zombie_is_left_of_many_deaths(service: Service) -> None:
    start(service, ONE.replace("runners = 1", "runners = 20"))
    for round_ in (1, 2):
        for pid in service.runner_pids():
            os.kill(pid, signal.SIGKILL)
        service.wait_for("runner.started", count=20 * (round_ + 1))
    assert len(service.events("runner.crashed")) == 40
    wait_until(
        lambda: "Z" not in map(processes.state, processes.offspring(service.pid)),
        "no zombie is left",
    )


def test_a_killed_runner_that_can_not_die_keeps_its_job_and_that_is_told(
    service: Service, client: Client
) -> None:
    with cgroups.cgroup("freezer") as frozen:
        state = frozen / "freezer.state"
        if not state.exists():
            pytest.skip("a frozen process of cgroup v2 can be killed, and nothing else hangs here")
        start(service, constants={"supervisor.killing.END_WITHIN_S": 0.5})
        service.signal(signal.SIGSTOP)  # nobody is killed before it is frozen
        job = client.enqueue(testjobs.Late("stubborn", service.path("ran")), max_attempts=2)
        wait_until(lambda: marks(service.path("ran")) != [], "it runs")
        [pid] = map(int, marks(service.path("ran")))
        cgroups.move(frozen, pid)
        state.write_text("FROZEN")
        service.signal(signal.SIGCONT)
        told = service.wait_for("runner.unkillable", pid=pid)
        assert told["job_id"] == job.id
        assert "state D" in told["doing"]
        assert job.status() == "running"
        state.write_text("THAWED")
        service.wait_for("runner.crashed", pid=pid, cause="timeout")


@pytest.mark.parametrize("enter", [cgroups.enter, cgroups.enter_as_a_container])
def test_a_kill_for_memory_in_a_small_cgroup_is_told_as_oom(
    service: Service, client: Client, enter: Callable[[Path], list[str]]
) -> None:
    with cgroups.cgroup("memory", memory__limit_in_bytes=str(200 << 20)) as small:
        start(service, within=enter(small))
        job = client.enqueue(limitjobs.Swell(400, service.path("ran")), max_attempts=1)
        told = service.wait_for("job.crashed", job_id=job.id)
        [record] = [r for r in all_records(client) if r["crash_id"] == told["crash_id"]]
        assert (record["cause"], record["signal"]) == ("oom", "SIGKILL")
        assert record["max_rss_bytes"] > 50 << 20
        service.stop()


def all_records(client: Client) -> list[dict[str, Any]]:
    found, _ = client.connection.run(operations.crashes(client.namespace, 100))
    return found


def test_the_children_of_a_job_go_with_a_killed_supervisor(
    service: Service, client: Client
) -> None:
    start(service)
    client.enqueue(testjobs.Child(service.path("pids"), then="hang"))
    wait_until(lambda: marks(service.path("pids")) != [], "it runs", on_failure=service.tail)
    [child] = map(int, marks(service.path("pids")))
    service.kill()
    wait_until(lambda: not alive(child), "the child is gone", within_s=6)


# --- signals, reload, stop ---------------------------------------------------------------------


def test_a_stop_sent_to_the_whole_group_lets_jobs_finish(service: Service, client: Client) -> None:
    start(service)
    job = client.enqueue(testjobs.Hang(service.path("ran"), done=service.path("done")))
    runner = service.wait_for("job.started", job_id=job.id)["pid"]
    everybody = [service.program("horus-template"), service.program("horus-keeper"), runner]
    assert [os.getpgid(pid) for pid in everybody] == everybody, "each leads a group of its own"
    os.killpg(service.pid, signal.SIGTERM)
    os.kill(runner, signal.SIGTERM)  # what a container's engine or a person may do
    service.wait_for("supervisor.stopping")
    testjobs.mark(service.path("done"))
    assert service.wait() == 0
    assert job.status() == "succeeded"


def test_a_stop_ends_a_runner_that_is_stopped(service: Service) -> None:
    service.write(ONE, supervisor='shutdown_timeout = "200ms"', imports=limitjobs.__name__)
    service.start()
    [pid] = service.runner_pids()
    os.kill(pid, signal.SIGSTOP)
    assert service.stop() == 0
    assert not alive(pid)


def test_a_crash_while_another_runner_drains_is_answered_at_once(
    service: Service, client: Client
) -> None:
    start(service, "[queues]\nq = 1\nother = 1\n")
    job = client.enqueue(testjobs.Hang(service.path("ran"), done=service.path("done")))
    service.wait_for("job.started", job_id=job.id)
    service.write("[queues]\nother = 1\n", imports=limitjobs.__name__)
    service.wait_for("supervisor.reloaded")
    [pid] = [line["pid"] for line in service.events("runner.started", runner="other/1")]
    os.kill(pid, signal.SIGKILL)
    service.wait_for("runner.started", runner="other/1", count=2)
    assert job.status() == "running"
    Path(service.path("done")).touch()
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=service.tail)


def test_as_pid_1_it_stops_in_order_and_leaves_nobody(service: Service, client: Client) -> None:
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made here")
    start(service, within=unshare)
    job = client.enqueue(limitjobs.Leave(service.path("left")))  # its orphan is adopted by PID 1
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=service.tail)
    [first] = processes.offspring(service.pid)
    assert Path(f"/proc/{first}/status").read_text().split("NSpid:")[1].split()[1] == "1"
    os.kill(first, signal.SIGTERM)
    assert service.wait() == 0
    assert service.events("supervisor.stopped")
    assert service.events("orphan.ended")


def test_the_limit_of_open_files_is_raised_at_the_start(service: Service) -> None:
    start(service, within=["sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh"])
    limits = Path(f"/proc/{service.pid}/limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert int(soft) == min(int(hard), 16384)


def test_as_many_open_files_as_doctor_asks_for_are_enough(service: Service, client: Client) -> None:
    most = FILES_OF_OURS + FILES_OF_A_RUNNER
    start(service, within=["sh", "-c", f'ulimit -n {most}; exec "$@"', "sh"])
    job = client.enqueue(testjobs.Quick())
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=service.tail)


HOLD = """
import os, sys
for _ in range(1024):
    os.set_inheritable(os.dup(0), True)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_programs_bear_the_numbers_of_descriptors_that_350_runners_make(
    service: Service, client: Client
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 1200:
        pytest.skip("no more than 1200 files may be open here")
    with_room = ["sh", "-c", 'ulimit -Sn 1200; exec "$@"', "sh"]
    start(service, within=[*with_room, sys.executable, "-c", HOLD])
    job = client.enqueue(testjobs.Quick())
    wait_until(lambda: job.status() == "succeeded", "the end", on_failure=service.tail)


def test_a_program_that_finds_no_room_for_its_descriptors_says_so_in_the_log(
    service: Service,
) -> None:
    start(service, within=["sh", "-c", f'ulimit -n {FIRST_FD}; exec "$@"', "sh"], ready=False)
    failed = service.wait_for("template.failed")
    assert "Bad file descriptor" in failed["traceback"]
    ended = service.wait_for("child.exited", child="keeper")
    assert "Bad file descriptor" in ended["output_tail"][-1]


def test_in_the_background_of_a_terminal_it_writes_and_is_not_stopped(service: Service) -> None:
    folder = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-m", "tests.support.background"]
    start(service, within=["env", f"PYTHONPATH={folder}", *command])
    assert service.stop() == 0
    assert service.events("supervisor.stopped")

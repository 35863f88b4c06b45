"""Hooks of job modules: in each runner, after the fork, before the first job and after the last."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import (
    Client,
    JobDefinitionError,
    on_runner_start,
    on_runner_stop,
    start_runner,
)
from horus_supervisor.job import hooks
from tests.support.service import ROOT, Service
from tests.support.waiting import wait_until

HOOKED = """
import os
import signal
from pathlib import Path
from horus_supervisor import Job, on_runner_start, on_runner_stop

def mark(text):
    with open(Path(__file__).with_name("marks"), "a") as file:
        file.write(f"{os.getpid()} {text}\\n")

signal.signal(signal.SIGUSR2, print)

@on_runner_start
def open_pool():
    os.environ["POOL"] = "open"
    mark("start")
    if Path(__file__).with_name("broken").exists():
        raise OSError("no route to the pool")
    if Path(__file__).with_name("leave").exists():
        Path(__file__).with_name("leave").unlink()
        os.kill(os.getpid(), signal.SIGTERM)

@on_runner_stop
def close_pool():
    mark("stop")

@on_runner_stop
def flush():
    mark("flush")
    raise OSError("the exporter is gone")

class Use(Job, name="use", queue="q"):
    def execute(self):
        mark(f"finds it {os.environ.pop('POOL')}")
"""


@pytest.fixture
def hooked(service: Service) -> Service:
    """A service whose job module has hooks; each leaves a line with its pid in ``marks``."""
    (service.folder / "hooked.py").write_text(HOOKED)
    service.write('[groups.q]\nqueues = ["q"]\nrunners = 1\n')
    text = service.config.read_text().replace("tests.service.apps.testjobs", "hooked")
    service.config.write_text(text.replace(f'path = ["{ROOT}"]', 'path = ["."]'))
    return service


def marks(service: Service) -> list[str]:
    file = Path(service.path("marks"))
    return file.read_text().splitlines() if file.exists() else []


def test_hooks_open_before_the_first_job_and_close_after_the_last_in_the_runner_itself(
    hooked: Service, client: Client
) -> None:
    hooked.start()
    jobs = [client.enqueue_raw("use", b"{}", "q") for _ in range(2)]
    done = lambda: [job.status() for job in jobs] == ["succeeded"] * 2  # noqa: E731
    wait_until(done, "both jobs", on_failure=hooked.tail)
    runner = hooked.events("runner.started")[0]["pid"]
    assert hooked.stop() == 0
    told = ["start", "finds it open", "finds it open", "flush", "stop"]
    assert marks(hooked) == [f"{runner} {what}" for what in told]


def test_what_an_import_does_and_a_fork_does_not_bear_is_named(hooked: Service) -> None:
    hooked.start()
    [line] = hooked.events("template.unsafe")
    assert (line["module"], line["left"]) == ("hooked", "a handler of SIGUSR2")
    assert hooked.stop() == 0


def test_an_import_that_closes_standard_descriptors_and_takes_poll_away_harms_no_runner(
    hooked: Service, client: Client
) -> None:
    harms = f"{HOOKED}\nimport select\ndel select.poll\nfor fd in range(3):\n    os.close(fd)\n"
    (hooked.folder / "hooked.py").write_text(harms)
    hooked.start()
    job = client.enqueue_raw("use", b"{}", "q")
    hooked.wait_for("job.succeeded", job_id=job.id)


def test_a_stop_hook_that_raises_is_told_and_changes_nothing(hooked: Service) -> None:
    hooked.start()
    wait_until(lambda: marks(hooked), "the start hook", on_failure=hooked.tail)
    assert hooked.stop() == 0
    assert hooked.events("output", text="OSError: the exporter is gone")
    assert [line.split()[1] for line in marks(hooked)] == ["start", "flush", "stop"]
    assert hooked.events("runner.crashed") == []


def test_a_start_hook_that_raises_is_a_crash_that_says_why(hooked: Service, client: Client) -> None:
    Path(hooked.path("broken")).touch()
    hooked.start(ready=False)  # it may never be: no runner lives for long
    job = client.enqueue_raw("use", b"{}", "q")
    crashed = hooked.wait_for("runner.crashed")
    assert (crashed["cause"], crashed["exit_code"], crashed.get("job_id")) == ("exit", 1, None)
    assert crashed["output_tail"][-1] == "OSError: no route to the pool"
    Path(hooked.path("broken")).unlink()
    wait_until(lambda: job.status() == "succeeded", "the job", on_failure=hooked.tail)


def test_who_is_told_to_leave_while_it_opens_takes_no_job(hooked: Service, client: Client) -> None:
    Path(hooked.path("leave")).touch()
    job = client.enqueue_raw("use", b"{}", "q")
    hooked.start()
    wait_until(lambda: job.status() == "succeeded", "the job", on_failure=hooked.tail)
    hooked.wait_for("runner.started", count=2)  # births are told a moment after they are
    first, second, *_ = (line["pid"] for line in hooked.events("runner.started"))
    told = [f"{first} start", f"{first} flush", f"{first} stop", f"{second} start"]
    assert marks(hooked)[:4] == told


def test_start_runner_has_hooks_too(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    told: list[str] = []
    monkeypatch.setattr(hooks, "_starts", [])
    monkeypatch.setattr(hooks, "_stops", [])
    on_runner_start(lambda: told.append("start"))
    on_runner_stop(lambda: told.append("stop"))
    start_runner(client, ["q"], until_empty=True)
    assert told == ["start", "stop"]


def test_after_what_did_not_end_well_no_stop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(hooks, "_starts", [])
    monkeypatch.setattr(hooks, "_stops", [lambda: told.append("stop")])
    with pytest.raises(ZeroDivisionError), hooks.opened():
        raise ZeroDivisionError
    assert told == []


def test_a_stop_that_wants_to_end_the_process_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(hooks, "_stops", [lambda: told.append("stop"), sys.exit])
    hooks.stop()
    assert told == ["stop"]


def test_a_hook_that_nobody_would_await_is_refused() -> None:
    with pytest.raises(JobDefinitionError, match="open_pool is async"):

        @on_runner_start
        async def open_pool() -> None: ...


@pytest.mark.parametrize("hook", [lambda pool: pool, 3])
def test_a_hook_that_can_not_be_called_without_arguments_is_refused(hook: Any) -> None:
    before = list(hooks._starts)
    with pytest.raises(JobDefinitionError, match="can't be called: a hook is a def without"):
        on_runner_start(hook)
    assert on_runner_start(dict) is dict  # which has no signature
    assert hooks._starts.pop() is dict
    assert hooks._starts == before

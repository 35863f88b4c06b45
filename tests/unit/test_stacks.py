"""What people see of a job's stack: the job's part."""

from __future__ import annotations

import faulthandler
import tempfile
import traceback
from typing import Any, cast

import pytest

from horus_supervisor import Job
from horus_supervisor.errors import JobTimeout
from horus_supervisor.runner import execute
from horus_supervisor.scoreboard import Control
from horus_supervisor.stacks import of_job


class Slot:
    """A slot in which a job's deadline may come."""

    wanted = Control.RUN
    deadline_ns = 0


slot = Slot()
guard = execute.Guard(cast(Any, slot))


def run(job_class: type[Job], payload: bytes = b"{}") -> execute.Run:
    """Run a job as a runner does."""
    slot.deadline_ns = 0
    return execute.guarded(job_class, payload, 9999, guard)


def frames(stack: str) -> list[str]:
    """The names of a stack's functions."""
    return [line.rpartition(" in ")[2] for line in stack.splitlines() if ", line " in line]


class Dump(Job):
    """Write this process's stack to a file, as a dying one does."""

    path: str

    def execute(self) -> None:
        with open(self.path, "w") as file:
            faulthandler.dump_traceback(file)


class Overdue(Job):
    """Hear that the time is over, with a handler's frame on top."""

    def execute(self) -> None:
        slot.deadline_ns = 1
        guard.look()


def test_a_dying_process_shows_the_job_and_not_who_called_it() -> None:
    with tempfile.NamedTemporaryFile("r") as file:
        assert run(Dump, b'{"path": "%s"}' % file.name.encode()).error is None
        _, current, mine = file.read().partition("Current thread")  # pytest-xdist has another one
        stack = f"Fatal Python error: Aborted\n\n{current}{mine}\nExtension modules: a (total: 1)"
    assert frames(stack)[:2] == ["execute", "guarded"]
    assert len(frames(stack)) > 9
    shown = of_job(stack)
    assert frames(shown) == ["execute"]
    assert shown.splitlines()[-1] == "Extension modules: a (total: 1)"


def test_each_thread_of_a_dying_process_is_shown() -> None:
    other = 'Thread 0x1 (most recent call first):\n  File "/app/pool.py", line 3 in wait\n\n'
    mine = (
        "Current thread 0x2 (most recent call first):\n"
        '  File "/app/jobs.py", line 7 in execute\n'
        '  File "/venv/horus_supervisor/runner/execute.py", line 75 in guarded\n'
        '  File "<string>", line 1 in <module>\n'
    )
    assert frames(of_job(other + mine)) == ["wait", "execute"]
    assert frames(of_job(mine + "\n" + other)) == ["execute", "wait"]


def test_a_timeout_shows_where_the_job_was_and_not_how_it_was_told() -> None:
    error = run(Overdue).error
    assert isinstance(error, JobTimeout)
    stack = execute.describe(error)["traceback"]
    assert frames(stack) == ["execute", "look"]
    shown = of_job(stack)
    assert frames(shown) == ["execute"]
    assert "guard.look()" in shown
    assert "raise JobTimeout" not in shown
    assert shown.splitlines()[-1] == stack.splitlines()[-1]


@pytest.mark.parametrize(
    "stack",
    [
        "Current thread 0x1 (most recent call first):\n"
        '  File "/venv/horus_supervisor/runner/main.py", line 300 in _sleep\n'
        '  File "/venv/horus_supervisor/template.py", line 69 in main',
        "".join(traceback.format_exception(ValueError("no stack"))),
        "Trace",
    ],
)
def test_what_is_no_job_is_shown_whole(stack: str) -> None:
    assert of_job(stack).splitlines() == stack.splitlines()


def test_a_long_text_of_an_error_shows_where_it_was_cut() -> None:
    whole = execute.describe(ValueError("m" * 2000))["error_message"]
    assert whole == "m" * 2000
    told = execute.describe(ValueError("from" + "m" * 50_000 + "to"))["error_message"]
    assert len(told) <= 2000
    assert (told[:4], told[-2:]) == ("from", "to")
    assert " [...] " in told

"""One job, guarded: what counts as having run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from horus_supervisor import linux
from horus_supervisor.errors import JobDefinitionError
from horus_supervisor.job import definition
from horus_supervisor.job.definition import Job
from horus_supervisor.job.on_crash import OnCrash
from horus_supervisor.runner.execute import Guard, guarded
from horus_supervisor.scoreboard import Scoreboard, SlotWriter


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the classes of each test apart."""
    monkeypatch.setattr(definition, "_registry", {})


@pytest.fixture
def guard() -> Iterator[Guard]:
    fd = linux.memory_file("horus-test-board")
    yield Guard(SlotWriter(Scoreboard(fd), 0))
    os.close(fd)


def decorated(method: Callable[..., Any]) -> Callable[..., Any]:
    """As a tracer does, say, that knows nothing of coroutines."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return call


async def awaits(*_: object) -> None:
    raise AssertionError("somebody ran it")


async def streams(*_: object) -> Any:
    yield


def yields(*_: object) -> Any:
    yield


@pytest.mark.filterwarnings("ignore:coroutine 'awaits' was never awaited:RuntimeWarning")
@pytest.mark.parametrize(
    ("method", "kind"),
    [(awaits, "coroutine"), (streams, "async_generator"), (yields, "generator")],
)
def test_a_job_that_a_decorator_kept_from_running_has_not_succeeded(
    method: Callable[..., Any], kind: str, guard: Guard
) -> None:
    body = {"execute": decorated(method), "on_crash": decorated(method), "__module__": __name__}
    job_class = type("Traced", (Job,), body)
    run = guarded(job_class, b"{}", 100, guard)
    assert isinstance(run.error, JobDefinitionError)
    assert f"gave a {kind} back, which nobody would run" in str(run.error)
    with pytest.raises(JobDefinitionError, match=rf"gave a {kind} back"):
        OnCrash(f"{__name__}.Traced", "{}", "{}", "c1", "requeued", "1", "emails", 2).execute()


def test_what_else_a_job_gives_back_is_nobodys_business(guard: Guard) -> None:
    body = {"execute": lambda _: [1], "__module__": __name__}
    assert guarded(type("Gives", (Job,), body), b"{}", 100, guard).error is None

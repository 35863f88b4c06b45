"""What code inside ``execute`` may ask about its job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from horus_supervisor.errors import HorusError
from horus_supervisor.job.current import CurrentJob, current_job, set_current


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    set_current(None)


def test_outside_of_a_job_there_is_none() -> None:
    with pytest.raises(HorusError, match="no job runs here"):
        current_job()


def test_a_job_knows_itself_until_it_is_over() -> None:
    set_current(lambda: CurrentJob("id-1", "emails", 2, 7, dict, lambda: False))  # type: ignore[arg-type]

    now = current_job()
    assert current_job() is now
    assert (now.id, now.queue, now.attempt, now.fence) == ("id-1", "emails", 2, 7)

    set_current(None)
    with pytest.raises(HorusError):
        current_job()


def test_the_logger_is_made_once_and_only_when_asked_for() -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(object())
        return made[-1]

    job = CurrentJob("id-1", "emails", 1, 1, make, lambda: False)
    assert made == []
    assert job.log is job.log
    assert len(made) == 1


def test_stopping_is_asked_each_time() -> None:
    answers = iter([False, True])
    job = CurrentJob("id-1", "emails", 1, 1, dict, lambda: next(answers))  # type: ignore[arg-type]
    assert [job.stopping, job.stopping] == [False, True]

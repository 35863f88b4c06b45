"""The rehearsal of a runner: it gets through, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal

import pytest

from horus_supervisor import current_job
from horus_supervisor.errors import HorusError
from horus_supervisor.job import definition
from horus_supervisor.runner import rehearsal


def descriptors() -> dict[str, str]:
    """Every open descriptor, and what it is of, once what nobody holds any more is gone."""
    gc.collect()
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


def test_every_job_of_the_rehearsal_is_done() -> None:
    assert rehearsal.rehearse(1000) == rehearsal.JOBS


def test_a_rehearsal_leaves_nothing_behind() -> None:
    def state() -> list[object]:
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        return [descriptors(), definition.registry(), handlers, os.getcwd(), dict(os.environ)]

    before = state()
    rehearsal.rehearse(1000)
    assert state() == before
    assert signal.set_wakeup_fd(-1) == -1
    with pytest.raises(HorusError):
        current_job()


def test_answers_that_do_not_fit_end_the_rehearsal_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "_answers", lambda _: iter([b"-ERR no\r\n"]))
    before = descriptors()
    with pytest.raises((RuntimeError, StopIteration)):
        rehearsal.rehearse(1000)
    assert descriptors() == before

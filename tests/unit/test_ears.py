"""What a runner waits with."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from horus_supervisor import linux
from horus_supervisor.runner.ears import Ears


@pytest.fixture
def ears() -> Iterator[Callable[[], Ears]]:
    """Makes ears, in a process that has a handler for their signal."""
    made: list[Ears] = []
    before = signal.signal(linux.WAKE_SIGNAL, lambda *_: None)

    def make() -> Ears:
        made.append(Ears())
        return made[-1]

    yield make
    for one in made:
        one.close()
    signal.signal(linux.WAKE_SIGNAL, before)


def test_a_signal_is_heard_that_came_before_the_wait(ears: Callable[[], Ears]) -> None:
    ours = ears()
    assert not ours.hear(0.0)
    signal.raise_signal(linux.WAKE_SIGNAL)
    assert ours.hear(0.0)


def test_a_signal_is_heard_whatever_threading_takes_the_main_thread_for(
    ears: Callable[[], Ears], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eventlet puts a thread of its own in its place."""
    monkeypatch.setattr(threading, "current_thread", threading.Thread)
    ours = ears()
    signal.raise_signal(linux.WAKE_SIGNAL)
    assert ours.hear(0.0)


def test_in_another_thread_only_a_call_wakes(ears: Callable[[], Ears]) -> None:
    heard: list[Any] = []

    def wait() -> None:
        ours = ears()
        signal.raise_signal(linux.WAKE_SIGNAL)
        heard.append(ours.hear(0.0))
        ours.wake()
        heard.append(ours.hear(0.0))

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert heard == [False, True]

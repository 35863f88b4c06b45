"""The only place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object],
    what: str,
    within_s: float = 45.0,
    *,
    on_failure: Callable[[], str] = str,
) -> None:
    """Return once ``condition`` holds; fail, saying ``what`` was waited for, when it doesn't.

    ``on_failure`` gives more to show then: the end of a log.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_s} s in vain for: {what}\n{on_failure()}")
        time.sleep(0.005)

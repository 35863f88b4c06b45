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

    It looks after 5 ms, and less often the longer it has waited: the looks of all tests took a
    twentieth of the suite's time.
    """
    began = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - began
        if waited_s > within_s:
            raise AssertionError(f"waited {within_s} s in vain for: {what}\n{on_failure()}")
        time.sleep(min(max(0.005, waited_s / 20), 0.05))

"""What the kernel keeps of a process beside its state: limits, niceness, policy, processors.

A job that lowers one would slow or kill the next. Asking for them all after each job costs 12
microseconds, as much again as all else that is put back: so the calls that change them are noticed
in a template, and its runners ask only then. Not seen is what C code changes, as elsewhere. A
process that is not ours (``start_runner``) keeps its calls as they are, and asks after each job.
"""

from __future__ import annotations

import functools
import os
import resource
from collections.abc import Callable
from typing import Any

_CALLS = (
    *((resource, name) for name in ("setrlimit", "prlimit")),
    *((os, name) for name in ("nice", "setpriority")),
    *((os, f"sched_set{what}") for what in ("affinity", "scheduler", "param")),
)

_LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})

_noticing = False
_touched = False


def notice_changes() -> None:
    """Notice calls from now on. For a template, before job code can take them by name."""
    global _noticing
    _noticing = True
    for module, name in _CALLS:
        if call := getattr(module, name, None):  # not every system has all
            setattr(module, name, _noticed(call))


def _noticed(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def change(*args: Any, **kwargs: Any) -> Any:
        global _touched
        try:
            return call(*args, **kwargs)
        finally:
            _touched = True

    return change


class Limits:
    """The limits of this process at its first job."""

    def __init__(self) -> None:
        self._limits = {which: resource.getrlimit(which) for which in _LIMITS}
        self._nice = os.getpriority(os.PRIO_PROCESS, 0)
        self._processors, self._policy = _processors(), _policy()

    def restore(self) -> None:
        """Put back what was changed. Raises ``OSError``, ``ValueError`` where that needs root."""
        global _touched
        if _noticing and not _touched:
            return
        for which, limit in self._limits.items():
            if resource.getrlimit(which) != limit:
                resource.setrlimit(which, limit)
        if os.getpriority(os.PRIO_PROCESS, 0) != self._nice:
            os.setpriority(os.PRIO_PROCESS, 0, self._nice)
        if _policy() != self._policy:
            os.sched_setscheduler(0, *self._policy)
        if _processors() != self._processors:
            os.sched_setaffinity(0, self._processors)
        _touched = False


def _processors() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _policy() -> Any:
    known = hasattr(os, "sched_getscheduler")
    return (os.sched_getscheduler(0), os.sched_getparam(0)) if known else ()

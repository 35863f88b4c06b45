"""What the kernel keeps of a process beside its state: limits, niceness, policy, processors.

A job that lowers one would slow or kill the next. Asking for them all after each job costs 12
microseconds, nearly twice as much as all else that is put back: so the calls that change them are
noticed in a template, and its runners ask only then. Not seen is what C code changes, as elsewhere.
A process that is not ours (``start_runner``) keeps its calls as they are, and asks after each job.
"""

from __future__ import annotations

import os
import resource
from typing import Any, TypeAlias

from horus_supervisor.runner import calls

_CALLS = (
    *((resource, name) for name in ("setrlimit", "prlimit")),
    *((os, name) for name in ("nice", "setpriority")),
    *((os, f"sched_set{what}") for what in ("affinity", "scheduler", "param")),
)

_LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})

_Values: TypeAlias = tuple[dict[int, tuple[int, int]], int, Any, set[int]]

_noticing = False
_kept: _Values | None = None
"""Those before the first noticed call since they were put back."""


def notice_changes() -> None:
    """Notice calls from now on. For a template, before job code can take them by name."""
    global _noticing
    _noticing = True
    calls.precede(_keep, *_CALLS)


def _keep() -> None:
    global _kept
    if _kept is None:
        _kept = _values()


class Limits:
    """The limits of this process at its first job, which is when this is made."""

    def __init__(self) -> None:
        global _kept
        if _noticing:
            _kept = None
        else:
            self._values = _values()

    def restore(self) -> None:
        """Put back what was changed. Raises ``OSError``, ``ValueError`` where that needs root."""
        global _kept
        values = _kept if _noticing else self._values
        if not values:
            return
        limits, nice, policy, processors = values
        for which, limit in limits.items():
            if resource.getrlimit(which) != limit:
                resource.setrlimit(which, limit)
        if os.getpriority(os.PRIO_PROCESS, 0) != nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        if _policy() != policy:
            os.sched_setscheduler(0, *policy)
        if _processors() != processors:
            os.sched_setaffinity(0, processors)
        if _noticing:
            _kept = None


def _values() -> _Values:
    limits = {which: resource.getrlimit(which) for which in _LIMITS}
    return limits, os.getpriority(os.PRIO_PROCESS, 0), _policy(), _processors()


def _processors() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _policy() -> Any:
    known = hasattr(os, "sched_getscheduler")
    return (os.sched_getscheduler(0), os.sched_getparam(0)) if known else ()

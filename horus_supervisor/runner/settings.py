"""What a group's runners get from the kernel: priority, weight in want of memory, files, variables.

Applied once, after the fork. What is refused is told, and the runner serves without it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path

from horus_supervisor import badge
from horus_supervisor.messages import MARK, Spawn, mark


def apply(spec: Spawn) -> list[tuple[str, OSError | ValueError]]:
    """Take the settings of a group; tells which could not be taken, and why."""
    group = spec.group
    set_variables(group.environment)
    os.environ[MARK] = me = mark(spec.identity.supervisor, spec.slot, spec.incarnation)
    badge.wear(me)
    refused: list[tuple[str, OSError | ValueError]] = []
    for name, value, take in (
        ("nice", group.nice, _be_nice),
        ("oom_score_adj", group.oom_score_adj, _weigh),
        ("open_files", group.open_files, _limit_files),
    ):
        try:
            if value is not None:
                take(value)
        except (OSError, ValueError) as error:
            refused.append((f"{name} = {value}", error))
    return refused


def set_variables(variables: Iterable[tuple[str, str]]) -> None:
    """Set a group's variables in this process, its time zone at once."""
    for name, value in variables:
        os.environ[name] = value
        if name == "TZ":
            time.tzset()


def unmark() -> None:
    """Take back what marks this process as a runner."""
    del os.environ[MARK]
    badge.wear("")


def _be_nice(nice: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, nice)


def _weigh(score: int) -> None:
    Path("/proc/self/oom_score_adj").write_text(str(score))


def _limit_files(most: int) -> None:
    """Set the soft limit; the hard one is raised where that is allowed. setrlimit(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard if enough else most))

"""What a group's runners get from the kernel: priority, weight in want of memory, files, variables.

Applied once, after the fork. What is refused is told, and the runner serves without it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from horus_supervisor.messages import MARK, Spawn, mark


def apply(spec: Spawn) -> list[tuple[str, OSError | ValueError]]:
    """Take the settings of a group; tells which could not be taken, and why."""
    set_variables(spec.environment)
    os.environ[MARK] = mark(spec.identity.supervisor, spec.slot, spec.incarnation)
    refused: list[tuple[str, OSError | ValueError]] = []
    for name, take in _settings(spec):
        try:
            take()
        except (OSError, ValueError) as error:
            refused.append((name, error))
    return refused


def set_variables(variables: Mapping[str, str]) -> None:
    """Set a group's variables in this process, its time zone at once."""
    os.environ.update(variables)
    if "TZ" in variables:
        time.tzset()


def unmark() -> None:
    """Take back what marks this process as a runner."""
    del os.environ[MARK]


def _settings(spec: Spawn) -> Iterator[tuple[str, Callable[[], object]]]:
    nice, score, files = spec.nice, spec.oom_score_adj, spec.open_files
    if nice is not None:
        yield f"nice = {nice}", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice)
    if score is not None:
        path = Path("/proc/self/oom_score_adj")
        yield f"oom_score_adj = {score}", lambda: path.write_text(str(score))
    if files is not None:
        yield f"open_files = {files}", lambda: _limit_files(files)


def _limit_files(most: int) -> None:
    """Set the soft limit; the hard one is raised where that is allowed. setrlimit(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard if enough else most))

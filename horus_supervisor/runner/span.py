"""How long one runner serves: until so many jobs, or so much memory, it leaves for a fresh one."""

from __future__ import annotations

from horus_supervisor.backoff import between
from horus_supervisor.runner.memory import MemoryLimit

_MEMORY_LOOK_S = 0.002  # a job shorter than this is looked at now and then only
_MEMORY_LOOK_EVERY = 256


class Span:
    """The limits of this process, from now on; ``None`` is none."""

    def __init__(self, most_jobs: int | None, most_bytes: int | None) -> None:
        spread = between(1.0, 1.1)  # those that started together do not leave together
        self._most_jobs = int((most_jobs or 0) * spread)
        self._memory = MemoryLimit(most_bytes) if most_bytes else None

    def over(self, done: int, duration_s: float) -> str | None:
        """Tell why this runner leaves after ``done`` jobs, the last of which took so long."""
        memory = self._memory
        if memory and (duration_s > _MEMORY_LOOK_S or done % _MEMORY_LOOK_EVERY == 0):
            why = memory.past()
            if why:
                return why
        if self._most_jobs and done >= self._most_jobs:
            return f"max_jobs: {done} done"
        return None

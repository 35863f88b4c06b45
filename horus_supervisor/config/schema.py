"""What a configuration file says, as typed records that never change.

Made by ``load`` only, which has checked every value; paths are absolute, durations are seconds,
sizes are bytes. Which keys there are, and their defaults: ``keys``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from horus_supervisor.address import Address, parse_url


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """Where the jobs are kept. ``url`` may hold a password, so it does not show in ``repr``."""

    url: str = field(repr=False)
    """As in the file or in its ``url_file``; the files that it names are absolute here."""
    namespace: str
    url_file: Path | None = None
    """Where the URL was read, if not in the configuration file itself."""

    @property
    def address(self) -> Address:
        """What the URL says; its ``folder`` is that of an embedded Redis."""
        return parse_url(self.url)


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """The service as a whole."""

    imports: tuple[str, ...]
    path: tuple[Path, ...]
    state_dir: Path
    shutdown_timeout_s: float
    lease_s: float
    import_timeout_s: float
    reload_on_save: bool
    max_payload_bytes: int

    @property
    def spool(self) -> Path:
        """Where what can't be told to Redis waits."""
        return self.state_dir / "spool"


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Runners that are alike. A limit that is None does not hold."""

    name: str
    queues: tuple[str, ...]
    weights: tuple[int, ...]
    """One for each queue; all 1 where the file gives none."""
    runners: int
    job_timeout_s: float | None
    kill_after_s: float
    max_jobs: int | None
    max_memory: int | None
    hard_memory: int | None
    max_crashes: int
    hold_after: int
    """Crashes in a row that hold a job class back; 0 for never."""
    crash_delay_s: float
    unknown_job_after_s: float
    order: Literal["weighted", "strict"] = "weighted"
    """How runners choose among the queues."""
    nice: int | None = None
    oom_score_adj: int | None = None
    open_files: int | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names and values, which may be secret."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is logged, and how. ``format`` None: decided by where standard output leads."""

    level: Literal["debug", "info", "warning", "error"]
    format: Literal["json", "console"] | None
    args: bool
    service: str


@dataclass(frozen=True, slots=True)
class Config:
    """One file, read and checked. ``groups`` are in the order of the file."""

    file: Path
    redis: RedisConfig
    supervisor: SupervisorConfig
    groups: tuple[GroupConfig, ...]
    defaults: GroupConfig
    """What holds where no group does: ``[defaults]``, as a group without a name and queues."""
    log: LogConfig

    def limits_for(self, queues: Collection[str]) -> GroupConfig:
        """Tell whose limits a runner of these queues has: the first group's that serves them all.

        Where none does, those of ``[defaults]``.
        """
        serving = (group for group in self.groups if set(queues) <= set(group.queues))
        return next(serving, self.defaults)

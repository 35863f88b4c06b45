from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
@dataclass(frozen=True, slots=True)
class RedisConfig:
    url: str
    namespace: str
@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    imports: tuple[str, ...]
    path: tuple[Path, ...]
    state_dir: Path
    shutdown_timeout_s: float = 25
    lease_s: float = 30
    reload_on_save: bool = True
    max_payload_bytes: int = 262144
@dataclass(frozen=True, slots=True)
class GroupConfig:
    name: str
    queues: tuple[str, ...]
    runners: int
    job_timeout_s: float | None = 600
    kill_after_s: float = 5
    max_jobs: int | None = None
    max_memory: int | None = None
    max_crashes: int = 3
    crash_delay_s: float = 15
    unknown_job_after_s: float = 3600
@dataclass(frozen=True, slots=True)
class LogConfig:
    level: str = "info"
    format: str | None = None
    args: bool = False
    service: str = "horus"
@dataclass(frozen=True, slots=True)
class Config:
    file: Path
    redis: RedisConfig
    supervisor: SupervisorConfig
    groups: tuple[GroupConfig, ...]
    log: LogConfig

"""Horus: background jobs on Redis, run by supervised processes.

Public names are found at first use: this module is imported before every submodule of Horus, and
the supervisor must pay neither time nor memory for a Redis client that it never opens.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from horus_supervisor.async_client import AsyncClient, AsyncJobHandle
    from horus_supervisor.client import Client, JobHandle
    from horus_supervisor.errors import (
        ConfigError,
        Discard,
        EnqueueUnknown,
        HorusError,
        JobDefinitionError,
        JobInterrupted,
        JobTimeout,
        PayloadError,
        QueueFull,
        RedisAway,
        RedisRefused,
        ReplyLost,
        Retry,
        ServiceNotRunning,
    )
    from horus_supervisor.job.current import CurrentJob, LastAttempt, current_job
    from horus_supervisor.job.definition import Job
    from horus_supervisor.job.hooks import on_runner_start, on_runner_stop
    from horus_supervisor.lifecycle import JobState
    from horus_supervisor.runner.foreground import start_runner

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncJobHandle",
    "Client",
    "ConfigError",
    "CurrentJob",
    "Discard",
    "EnqueueUnknown",
    "HorusError",
    "Job",
    "JobDefinitionError",
    "JobHandle",
    "JobInterrupted",
    "JobState",
    "JobTimeout",
    "LastAttempt",
    "PayloadError",
    "QueueFull",
    "RedisAway",
    "RedisRefused",
    "ReplyLost",
    "Retry",
    "ServiceNotRunning",
    "__version__",
    "current_job",
    "on_runner_start",
    "on_runner_stop",
    "start_runner",
]

_ELSEWHERE = {
    "AsyncClient": "async_client",
    "AsyncJobHandle": "async_client",
    "Client": "client",
    "CurrentJob": "job.current",
    "JobHandle": "client",
    "Job": "job.definition",
    "JobState": "lifecycle",
    "LastAttempt": "job.current",
    "current_job": "job.current",
    "on_runner_start": "job.hooks",
    "on_runner_stop": "job.hooks",
    "start_runner": "runner.foreground",
}
"""Public name -> its module; the others are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""What a file would run, as data for ``horus-supervisor --check``. Shows no password."""

from __future__ import annotations

from typing import Any

from horus_supervisor.config.schema import Config, GroupConfig


def would_run(config: Config) -> dict[str, Any]:
    """Tell what the file would run; durations are seconds, sizes are bytes."""
    where = config.redis.address
    return {
        "config": str(config.file),
        "redis": {
            "url": f"{where.scheme}://{where.safe}" if where.path is None else where.safe,
            "namespace": config.redis.namespace,
        },
        "state_dir": str(config.supervisor.state_dir),
        "path": [str(folder) for folder in config.supervisor.path],
        "imports": list(config.supervisor.imports),
        "groups": [_group(group) for group in config.groups],
    }


def _group(group: GroupConfig) -> dict[str, Any]:
    return {
        "group": group.name,
        "runners": group.runners,
        "order": group.order,
        "queues": [
            {"queue": queue, "weight": weight}
            for queue, weight in zip(group.queues, group.weights, strict=True)
        ],
        "job_timeout_s": group.job_timeout_s,
        "kill_after_s": group.kill_after_s,
        "max_jobs": group.max_jobs,
        "max_memory_bytes": group.max_memory,
        "hard_memory_bytes": group.hard_memory,
        "max_crashes": group.max_crashes,
        "hold_after": group.hold_after,
        "crash_delay_s": group.crash_delay_s,
        "unknown_job_after_s": group.unknown_job_after_s,
        "nice": group.nice,
        "oom_score_adj": group.oom_score_adj,
        "open_files": group.open_files,
        "environment": [name for name, _ in group.environment],
    }


def notes(config: Config) -> list[str]:
    """Tell what is allowed, and may not be what was meant; a sentence each."""
    found = []
    if not any(group.runners for group in config.groups):
        found.append("no runners: nothing will run; give [queues] a queue = number of runners")
    if not config.supervisor.imports:
        found.append("supervisor.imports is empty: no runner will know any job class")
    return found

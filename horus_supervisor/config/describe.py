"""What a file would run, as data for ``horus-supervisor --check``. Shows no password."""

from __future__ import annotations

from dataclasses import asdict
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
    """Tell all that holds for a group, but for the values of its variables, which may be secret."""
    settings = asdict(group)
    weights = zip(settings.pop("queues"), settings.pop("weights"), strict=True)
    return {
        "group": settings.pop("name"),
        "queues": [{"queue": queue, "weight": weight} for queue, weight in weights],
        "max_memory_bytes": settings.pop("max_memory"),
        "hard_memory_bytes": settings.pop("hard_memory"),
        "environment": [name for name, _ in settings.pop("environment")],
        **settings,
    }


def notes(config: Config) -> list[str]:
    """Tell what is allowed, and may not be what was meant; a sentence each."""
    found = []
    if not any(group.runners for group in config.groups):
        found.append("no runners: nothing will run; give [queues] a queue = number of runners")
    if not config.supervisor.imports:
        found.append("supervisor.imports is empty: no runner will know any job class")
    return found

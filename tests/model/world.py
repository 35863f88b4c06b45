"""What a machine runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from horus_supervisor.store.operation import Operation, Script

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True)
class World:
    """What a machine runs on: a driver, a plain client, and scripts in place of the real ones."""

    run: Callable[[Operation[Any]], Any]
    raw: redis.Redis
    scripts: Mapping[str, Script]

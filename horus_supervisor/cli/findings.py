"""What ``horus doctor`` finds: one thing that was looked at, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is: an ``error`` loses jobs or stops them, a ``warning`` may one day."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` was looked at, ``what`` seen; ``why`` that matters, and what to ``type``."""

    level: Level
    check: str
    what: str
    why: str = ""
    type: str = ""

    def row(self) -> dict[str, Any]:
        """Write it for programs."""
        return {
            "level": str(self.level),
            "check": self.check,
            "what": self.what,
            "why": self.why or None,
            "try": self.type or None,
        }


def ok(check: str, what: str) -> Finding:
    """Find that something is as it should be."""
    return Finding(Level.OK, check, what)


def warning(check: str, what: str, why: str, type: str = "") -> Finding:
    """Find what may one day hurt."""
    return Finding(Level.WARNING, check, what, why, type)


def error(check: str, what: str, why: str, type: str = "") -> Finding:
    """Find what hurts now."""
    return Finding(Level.ERROR, check, what, why, type)

"""What Hypothesis may not hold against an example on a busy machine: that it took long."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import HealthCheck

BUSY: Final[dict[str, Any]] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
"""Keywords of ``settings``."""

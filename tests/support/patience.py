"""What Hypothesis may not hold against an example on a busy machine; a pytest without it."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import HealthCheck

BUSY: Final[dict[str, Any]] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
"""Keywords of ``settings``."""

ALONE: Final = " ".join(
    f"-p no:{name}" for name in ("hypothesispytest", "anyio", "valkey", "xdist", "timeout")
)
"""``PYTEST_ADDOPTS`` by which a pytest that a test starts loads no plugin but ours."""

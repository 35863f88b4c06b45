"""What ``import horus_supervisor`` gives, and what it does not cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

import horus_supervisor

HEAVY = ("asyncio", "msgspec", "psutil", "redis", "rich", "structlog")


def loaded_after(code: str) -> set[str]:
    """Tell which heavy modules a fresh interpreter has loaded after ``code``."""
    show = f"import sys; print(*[m for m in {HEAVY} if sys.modules.get(m)])"
    fresh = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(fresh.stdout.split())


def test_every_public_name_is_found() -> None:
    for name in horus_supervisor.__all__:
        assert getattr(horus_supervisor, name) is not None
    assert set(horus_supervisor.__all__) <= set(dir(horus_supervisor))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Klient'"):
        horus_supervisor.Klient  # noqa: B018


def test_the_package_alone_loads_nothing_heavy() -> None:
    assert loaded_after("import horus_supervisor") == set()


def test_job_classes_load_neither_redis_nor_structlog() -> None:
    assert loaded_after("from horus_supervisor import Job, current_job") == {"msgspec"}

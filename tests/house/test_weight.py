"""What each process does without: every module that it loads is memory and time of its start."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "redis asyncio ssl _hashlib rich subprocess psutil click tempfile secrets"
REDIS_PY = "horus_supervisor.store.connection"  # loads redis at its first call

PROGRAMS = {
    "supervisor.main, horus_supervisor.config.load, horus_supervisor.supervisor.service": (
        f"{HEAVY} hiredis horus_supervisor.config.lines"
    ),
    "supervisor.main, horus_supervisor.supervisor.probe": f"{HEAVY} hiredis structlog difflib",
    "keeper.main": f"{HEAVY} tomllib argparse {REDIS_PY}",
    "template": f"{HEAVY} tomllib argparse random {REDIS_PY}",
    "guard": f"{HEAVY} hiredis tomllib argparse structlog",
}
"""Program -> what it must not load.

``_hashlib`` is OpenSSL, half a megabyte; ``random`` seeds itself anew in every fork.
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_loads_no_module_that_it_can_do_without(program: str) -> None:
    code = f"import sys, horus_supervisor.{program}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(PROGRAMS[program].split()) & set(ran.stdout.split()) == set()

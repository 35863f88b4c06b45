"""Type checkers see job classes as the records that they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("typing_sample.py")


@pytest.mark.timeout(120)  # mypy's first run, without a cache
def test_mypy_accepts_what_is_right_and_reports_what_is_wrong() -> None:
    pytest.importorskip("mypy")
    options = ("--strict", "--warn-unused-ignores", "--follow-imports=silent")
    mypy = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(SAMPLE)],
        capture_output=True,
        text=True,
        cwd=SAMPLE.parents[2],
        check=False,
    )
    assert mypy.returncode == 0, mypy.stdout + mypy.stderr

"""Type checkers see job classes as the records that they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("typing_sample.py")


OPTIONS = """
[mypy]
strict = True
warn_unused_ignores = True
follow_imports = silent
[mypy-redis.*,psutil.*,structlog.*]
follow_imports = skip
"""
"""What the sample does not touch is left out: half of the seconds that mypy takes."""


@pytest.mark.timeout(120)
def test_mypy_accepts_what_is_right_and_reports_what_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    config = tmp_path / "mypy.ini"
    config.write_text(OPTIONS)
    options = ("--config-file", str(config), "--cache-dir", os.devnull)
    mypy = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(SAMPLE)],
        capture_output=True,
        text=True,
        cwd=SAMPLE.parents[2],
        check=False,
    )
    assert mypy.returncode == 0, mypy.stdout + mypy.stderr

"""The files of ``deploy/`` as far as they can be checked without systemd or Docker running."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from horus_supervisor.config.describe import notes
from horus_supervisor.config.load import load
from horus_supervisor.config.units import parse_duration

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "horus.service"
    text = (DEPLOY / "horus.service").read_text()
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("horus.service", r"^TimeoutStopSec=(\w+)$"),
        ("compose.yaml", r"^ *stop_grace_period: (\w+)$"),
    ],
)
def test_a_stop_is_given_the_shutdown_timeout_and_ten_seconds(file: str, pattern: str) -> None:
    config = load(DEPLOY / "compose" / "config.toml")
    [given] = re.findall(pattern, (DEPLOY / file).read_text(), re.M)
    assert parse_duration(given) == config.supervisor.shutdown_timeout_s + 10


def test_what_a_runner_does_to_memory_does_not_end_the_unit() -> None:
    text = (DEPLOY / "horus.service").read_text()
    assert "\nOOMPolicy=continue\n" in text
    assert "\nKillMode=mixed\n" in text


def test_the_container_runs_a_file_that_is_in_order() -> None:
    config = load(DEPLOY / "compose" / "config.toml")
    assert notes(config) == []
    assert config.supervisor.state_dir == Path("/var/lib/horus")


def test_what_could_not_be_run_says_so_at_its_head() -> None:
    for name in ("horus.service", "vector.yaml"):
        head = "\n".join((DEPLOY / name).read_text().splitlines()[:3])
        assert re.search(r"[Nn]ot (run|built|started) where it was written", head), name


def test_an_image_has_what_the_tests_ran_with_and_no_more() -> None:
    locked = _versions(DEPLOY / "requirements.txt")
    assert locked.items() <= _versions(ROOT / "requirements.txt").items()
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[<>=]", line)[0] for line in package["dependencies"]}
    assert needed | {"setuptools"} <= locked.keys()
    assert not locked.keys() & {"django", "fastapi", "pytest", "mypy", "ruff"}


def _versions(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", file.read_text(), re.M))

"""Horus as people install it: from a wheel, in a virtual environment, beside their own code."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from horus_supervisor import Client
from tests.service.apps.marks import marks
from tests.support.service import ROOT, Service

JOBS = """
import horus_supervisor, sys
from horus_supervisor import Job

class Where(Job, name="where", queue="q"):
    path: str

    def execute(self):
        with open(self.path, "a") as file:
            file.write(f"{horus_supervisor.__file__} {sys.prefix}\\n")
"""

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of an environment that has nothing of this checkout but its wheel."""
    pytest.importorskip("setuptools")
    source, home = tmp_path / "source", tmp_path / "venv"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    junk = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "horus_supervisor", source / "horus_supervisor", ignore=junk)
    build = [sys.executable, "-W", "ignore", "-c", BUILD, str(tmp_path)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=50)
    venv.create(home)
    [packages] = home.glob("lib/python*/site-packages")
    [wheel] = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin" / "python"


def test_an_installed_wheel_runs_jobs_from_the_folder_of_the_file(
    service: Service, client: Client, python: Path
) -> None:
    (service.folder / "where.py").write_text(JOBS)
    service.write("[queues]\nq = 1\n", imports="where", path=".")
    service.start(python=[str(python), "-P"])
    payload = f'{{"path": "{service.path("found")}"}}'.encode()
    service.wait_for("job.succeeded", job_id=client.enqueue_raw("where", payload, "q").id)
    home = python.parents[1]
    [(package, prefix)] = [line.split() for line in marks(service.path("found"))]
    assert Path(package).is_relative_to(home)
    assert Path(prefix) == home

"""The example project: its own tests, and each application by the command that starts it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import ALONE
from tests.support.service import ROOT
from tests.support.waiting import wait_until

SHOP = ROOT / "examples" / "shop"
README = (ROOT / "examples" / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (.* 8000)$", README, re.M)
FRAMEWORKS = ("fastapi", "flask", "django")

BIN = str(Path(sys.executable).parent)
ENV = {name: value for name, value in os.environ.items() if name != "HORUS_URL"}
ENV |= {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": ".", "PYTEST_ADDOPTS": ALONE}


def need(framework: str) -> None:
    missing = [name for name in (framework, "httpx2") if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} of the extra `examples` not installed: make test")


@contextmanager
def program(command: str, folder: Path) -> Iterator[Path]:
    """Run a command, and whatever it starts, while the context lasts; gives its output's file."""
    said = folder / f"{shlex.split(command)[0]}.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            shlex.split(command),
            cwd=folder,
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield said
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the shop whose service runs, started as its README says."""
    folder = tmp_path_factory.mktemp("examples") / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("var", "__pycache__", ".*"))
    [command] = re.findall(r"^\$ (horus-supervisor .*)$", README, re.M)
    with program(command, folder) as log:
        wait_until(lambda: "supervisor.ready" in log.read_text(), "the service")
        yield folder


def fetch(url: str, method: str = "GET") -> Any:
    """Give the JSON of an answer; None where nobody answers yet."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as got:
            return json.load(got)
    except OSError:
        return None


def test_the_shops_own_tests_pass() -> None:
    for framework in FRAMEWORKS:
        need(framework)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=SHOP, env=ENV, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^\d+ passed in", ran.stdout, re.M), ran.stdout


def test_the_documentations_tests_pass(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    example, *_ = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("var", "tests"))
    (tmp_path / "shop" / "test_page.py").write_text(example)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_page.py"],
        cwd=tmp_path / "shop",
        env=ENV,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert re.search(r"^2 passed in", ran.stdout, re.M), ran.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_command_starts_each_application(shop: Path, framework: str) -> None:
    need(framework)
    [command] = [command for command in COMMANDS if framework in command]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    order = 20 + FRAMEWORKS.index(framework)
    at = f"http://127.0.0.1:{port}"
    with program(command.replace("8000", str(port)), shop) as log:
        wait_until(
            lambda: fetch(f"{at}/jobs/none") == {"status": "unknown"},
            f"an answer of {command}",
            on_failure=log.read_text,
        )
        assert fetch(f"{at}/orders/{order}/payment", "POST") == {"job": f"charge-{order}"}
        done = {"status": "succeeded"}
        wait_until(lambda: fetch(f"{at}/jobs/charge-{order}") == done, "the job")

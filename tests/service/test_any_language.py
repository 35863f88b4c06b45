"""Jobs come from any language: the examples of ``docs/protocol.md``, run by a real service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor import Client
from horus_supervisor.ids import valid_job_id
from tests.service.apps.testjobs import Quick, marks
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.service import Service

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
QUICK = f"{Quick.__module__}.{Quick.__qualname__}"

redis_cli = pytest.mark.skipif(not shutil.which("redis-cli"), reason="redis-cli is not installed")
node = pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")


def example(language: str, namespace: str) -> str:
    """Give the program of the page that is written in a language, for a namespace."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", PROTOCOL.read_text(), re.M | re.S)
    assert "{horus}:" in text
    return str(text).replace("{horus}:", f"{{{namespace}}}:")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script in it, printed as the page says."""
    [words] = re.findall(r"^\$ python (.*) > enqueue\.lua$", PROTOCOL.read_text(), re.M)
    with (tmp_path / "enqueue.lua").open("wb") as file:
        subprocess.run([sys.executable, *words.split()], stdout=file, check=True, timeout=120)
    return tmp_path


def run(folder: Path, *command: str, **env: str) -> str:
    """Run a program to its end; its last word, the job's id."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.split()[-1]


def payload(service: Service) -> str:
    return f'{{"path":"{service.path("mark")}","text":"größer"}}'


@redis_cli
def test_a_job_that_redis_cli_enqueues_runs(
    service: Service, folder: Path, redis_server: RedisServer, namespace: str
) -> None:
    service.write("[queues]\nq = 1")
    service.start()
    (folder / "enqueue.sh").write_text(example("sh", namespace))
    wrapper = folder / "bin" / "redis-cli"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("redis-cli")} -s {redis_server.path} "$@"\n')
    wrapper.chmod(0o700)

    path = f"{wrapper.parent}:{os.environ['PATH']}"
    job_id = run(folder, "sh", "enqueue.sh", "q", QUICK, payload(service), PATH=path)

    assert service.wait_for("job.succeeded", job_id=job_id)["job"] == QUICK
    assert marks(service.path("mark")) == ["größer"]


@node
def test_a_job_that_node_enqueues_runs_though_redis_forgot_the_script(
    service: Service, folder: Path, redis_server: RedisServer, namespace: str
) -> None:
    service.write("[queues]\nq = 1")
    service.start()
    (folder / "enqueue.js").write_text(example("js", namespace))
    with redis_server.client() as raw:
        raw.script_flush()

    words = ("node", "enqueue.js", "q", QUICK, payload(service))
    job_id = run(folder, *words, REDIS_SOCKET=redis_server.path)

    assert valid_job_id(job_id)
    assert service.wait_for("job.succeeded", job_id=job_id)["job"] == QUICK
    assert marks(service.path("mark")) == ["größer"]


@node
@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER])
def test_a_reply_that_node_lost_makes_no_second_job(
    client: Client, folder: Path, redis_server: RedisServer, namespace: str, fault: Fault
) -> None:
    client.enqueue(Quick(), queue="warm")  # Redis knows the script
    (folder / "enqueue.js").write_text(example("js", namespace))
    with Proxy(folder, redis_server.path) as proxy:
        proxy.next(fault)
        words = ("node", "enqueue.js", "q", QUICK, "{}")
        job_id = run(folder, *words, REDIS_SOCKET=proxy.path)
        assert proxy.struck

    assert client.status(job_id) == "ready"
    with redis_server.client() as raw:
        assert raw.llen(f"{{{namespace}}}:ready:q") == 1

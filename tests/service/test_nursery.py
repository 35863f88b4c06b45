"""A service from the nursery is what a fresh interpreter would be, but for its birth."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import Client
from tests.service.apps import testjobs as jobs
from tests.service.apps.marks import marks
from tests.service.conftest import end
from tests.support import processes
from tests.support.nursery import nursery
from tests.support.service import Service


def looks(pid: int) -> dict[str, Any]:
    """What the kernel tells of a process, but for numbers that no two have in common."""
    at = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (at / "status").read_text().splitlines())
    _, _, group, session, terminal = (at / "stat").read_text().rpartition(") ")[2].split()[:5]
    held = {int(fd.name): re.sub(r"\d+", "N", what) for fd, what in processes.held(pid).items()}
    return {
        "signals": [status[name] for name in ("SigBlk", "SigIgn", "SigCgt")],
        "umask": status["Umask"],
        "leads": (int(group) == pid, int(session) == pid, terminal),
        "folder": os.readlink(at / "cwd"),
        "limits": (at / "limits").read_text(),
        "standard": [held[fd] for fd in range(3)],
        "descriptors": sorted(held.values()),
        "name": processes.name(pid),
    }


def of_a_service(folder: Path, url: str, *, fresh: bool) -> dict[str, Any]:
    """Start one in a folder; tell how it looks, and a runner of it, from without and within."""
    service = Service(folder, url, f"test-{uuid.uuid4().hex[:12]}")
    service.fresh = fresh
    service.write("[queues]\nq = 1\n")
    service.start()
    try:
        with Client(url, namespace=service.namespace) as client:
            job = client.enqueue(jobs.Look(service.path("look")))
        service.wait_for("job.succeeded", job_id=job.id)
        [runner] = service.runner_pids()
        service.until_idle(runner)
        told = {"service": looks(service.pid), "runner": looks(runner)}
        return told | {"job": marks(service.path("look")), "status": service.stop()}
    finally:
        end(service)
        (folder / "look").unlink(missing_ok=True)


def test_a_forked_service_looks_like_a_fresh_one(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nursery()  # older than what is set now
    monkeypatch.setenv("HORUS_MESS", "of this test")
    forked, fresh = (of_a_service(tmp_path, redis_url, fresh=fresh) for fresh in (False, True))
    assert "of this test" in fresh["job"][0]
    assert forked == fresh

"""The guard of an embedded Redis: how long a server may take to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.processes import Bounded
from tests.support.waiting import wait_until

SERVER = f"""#!{sys.executable}
import pathlib, signal, sys, time
if "--version" in sys.argv:
    sys.exit(print("Redis server v=7.2.0 sha=0"))
def end(*_):
    time.sleep(1.5)
    pathlib.Path("written").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path("ready").touch()
signal.pause()
"""
"""A server that has so much to write that its end takes 1.5 s."""


CORRUPT = f"""#!{sys.executable}
import pathlib, sys
if "--version" in sys.argv:
    sys.exit(print("Redis server v=7.2.0 sha=0"))
words = "DB loaded\\n" * 9 + "# Bad file format: use redis-check-aof\\n"
pathlib.Path("redis.log").write_text(words)
sys.exit(1)
"""
"""One that can't read what a power cut left."""


def guarded(
    folder: Path, server: str, lifeline: int, *, supervisor: int | None = None, **more: Any
) -> subprocess.Popen[str]:
    """Start a guard with such a server; ``supervisor``: who started it, this process by default."""
    path = folder / "redis-server"
    path.write_text(server)
    path.chmod(0o755)
    call = f"main({lifeline}, 0, 0, {supervisor or os.getpid()}, {str(folder)!r})"
    code = f"from horus_supervisor.guard import main; {call}"
    return Bounded(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        pass_fds=[lifeline],
        text=True,
        **more,
    )


def test_a_server_that_ends_by_itself_has_its_last_words_passed_on(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with guarded(tmp_path, CORRUPT, reading, stderr=subprocess.PIPE) as guard:
        _, said = guard.communicate(timeout=60)
    os.close(reading)
    os.close(writing)
    assert guard.returncode == 1
    assert said.splitlines() == [
        f"horus: the server exited with 1; the last lines of {tmp_path}/redis.log:",
        "DB loaded",
        "DB loaded",
        "# Bad file format: use redis-check-aof",
    ]


def test_a_server_that_was_asked_to_end_may_write_what_it_has(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    guard = guarded(tmp_path, SERVER, reading)
    os.close(reading)
    try:
        wait_until((tmp_path / "ready").exists, "the server runs")
        guard.terminate()
        assert guard.wait(60) == 0
        assert (tmp_path / "written").exists()
    finally:
        guard.kill()
        guard.wait()
        os.close(writing)


def test_a_guard_whose_supervisor_died_meanwhile_starts_no_server(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(["true"]) as supervisor:
        pass
    with guarded(tmp_path, SERVER, reading, supervisor=supervisor.pid) as guard:
        assert guard.wait(60) == 0
    os.close(reading)
    os.close(writing)
    assert not (tmp_path / "ready").exists()


def test_a_server_that_has_only_begun_hears_that_it_is_to_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)  # the keeper is gone, too
    with guarded(tmp_path, SERVER, reading) as guard:
        assert guard.wait(60) == 0
    os.close(reading)
    assert (tmp_path / "written").exists() or not (tmp_path / "ready").exists()

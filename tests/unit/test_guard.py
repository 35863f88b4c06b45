"""The guard of an embedded Redis: how long a server may take to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_server_that_was_asked_to_end_may_write_what_it_has(tmp_path: Path) -> None:
    server = tmp_path / "redis-server"
    server.write_text(SERVER)
    server.chmod(0o755)
    reading, writing = os.pipe()
    guard = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from horus_supervisor.guard import main; main({reading}, 0, 0, {str(tmp_path)!r})",
        ],
        env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        pass_fds=[reading],
    )
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
